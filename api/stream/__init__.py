"""The stream of a chat: where a client stands, what it has to get next, who else gets the same.

A stream is one rule: *what the database says from where the client stands, then what is live*. A
client's place is the id of its last event (`cursor`); it holds versions, not positions, so that any
API process can go on from it.

- `hub` has all streams of the process, `feed` all clients of one chat, `client` one of them.
- Something happens (a hint, a new client, the periodic comparison): `serve` reads once for all
  clients of the chat, through `source`, on threads of its own.
- `catch_up` turns what was read into the events that each client lacks. Pure.
- Live parts go to clients at once; `tail` tells which of them are next, and where one is missing,
  which is then read from the buffer.
- `send_buffer` holds what waits for a client, bounded: who reads too slowly is cut off and resumes.
- `stop_condition` says until when a client wants the stream.

Hub, feed and tail run on the loop and never wait; only `serve` and `source` do. Nothing here knows
a rule of chats, and what can't be streamed raises one of `errors`.
"""

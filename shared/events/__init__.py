"""Events of a chat: their names and bytes, how hints are published and parts are read back.

Two kinds of things travel through Redis, and neither is the only copy of anything:

- *Hints* on the chat's channel: "the row has changed", and the parts of the answer in progress.
  They are published after a commit or by a worker's flusher, and may be lost, doubled or late.
- *Buffers*: the parts of an episode, one Redis stream for each attempt, kept for
  `STEPWELL_BUFFER_SECONDS` so that a reader who comes later, or comes back, sees the beginning.

A part is known by four numbers: the history's version and the attempt say which episode it is of,
`seq` its place among the episode's parts, `index` its place in the message. From the first three a
reader knows what it has, what is void and what is missing, whatever order they come in.

`types` has the names and values, `wire` the bytes, `channels` the names in Redis, `publisher` and
`subscriber` the two ends, `parts_buffer` the way back, `merge` how pieces become parts. Writing a
buffer is the workers' alone (`workers.streaming`).
"""

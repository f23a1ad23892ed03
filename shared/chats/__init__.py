"""The chat: its types, its rules and the two doors into and out of its row.

A chat is one row with a status, and what hangs on it: turns, messages, a queue, a ledger of tools.
Everything that may happen to it is a *move*, a function of an open `Change`:

    with machine.change(chat_id) as change:   # the row is locked, and read
        send(change, ...)                     # the move changes values, queue, history
                                              # on leaving: versions, one write, commit, effects

From the bottom to the top, each floor importing only those below:

- `model`: the values. Nothing there reads, writes or decides.
- `rules`: what may follow what, which versions a change stamps, where time is booked. Pure.
- `store`: every SQL statement, and the JSON of stored parts.
- `machine`: lock, change, commit, tell. `change` is the only way into a row, `effects` the only way
  out, after the commit.
- `moves` and `reads`: what callers and workers do to a chat, and what they ask without a lock.

A move that isn't allowed raises one of `model.errors`; the row is then as it was, for the
transaction is rolled back. A step writes behind its *fence* only (`moves.workers.fence`): a worker
that lost its lease gets `StaleFence`, and nothing is written.
"""

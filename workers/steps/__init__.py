"""One step of a chat: a pipeline from the delivery to the commit.

    run.run_step      begin: take the lease, load the prompt (one short transaction)
    answer.ask        the request (`prompt`), the model, its stream; no transaction is open
    decide            once: an end, another step, the client's tools, built-in tools
    run_tools         the answer is committed, then its built-in calls run (`workers.tools`)
    settler           settle: the answer, the turn's end, the next turn (one short transaction)

`pipeline` leads through it, `outcome` is what the delivery is told at the end. A step that finds
calls left open by a worker that died begins at `run_tools`.

What may go wrong: a provider fails (`ProviderFailure`, classified in `workers.failures`: another
attempt, or the turn's end), a person stops the turn (`partial` keeps what there is), the lease is
lost (`Lost`: nothing is written), PostgreSQL is away (`settler` keeps a finished answer and tries
again), the worker is asked to stop (the chat is given back). `prompt`, `decide`, `calls` and
`partial` are pure.
"""

"""The model providers: one protocol, one adapter for each wire dialect.

`protocol` is the border. A step hands over a `Request`: the prompt as messages with parts, the
tools, the model's options. It gets a stream of events back: deltas of text, reasoning and calls,
parts that are whole, and at last how the answer ended, with its usage. A stream that ends without
that last event was cut off, and is never taken for a shorter answer.

An adapter is a folder: `client` opens the connection, through the official client, `prompt` writes
the body, `answer` maps what comes. What they share is in `http` (connections, server-sent events,
errors) and `parts` (assembling, private metadata, saying in text what a dialect has no shape for).
`scripted` is the fake that ships: no network, no key.

All of it runs on the worker's loop. What fails raises an error that `workers.failures.classify`
knows; nothing is retried here, and no key gets into a text. `registry` makes each provider once per
loop, and not before it is used.
"""

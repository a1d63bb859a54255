"""The line between two replicas: when it is dialled, what carries it, how it is and what is wrong with it. All I/O of a session.

    dialler     dials, talks, rests or backs off
    link        sockets, and the conversation on them     telling   what a hub says of itself beside the rows
    push        frames in HTTP bodies                     faults    what is wrong, by what came instead
    wire        what both ways promise                    state     how the line is, and how long to wait

What is said stands above in `sync` (sync.session, sync.protocol) and knows nothing of this room.
"""

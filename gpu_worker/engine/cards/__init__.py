"""Several cards of one host that make one clip together, by ``torch.distributed``.

Each card has a process with an engine of its own, and all of them run the same render; what they share is the work of
each step. The first card's process is the worker: it alone has the queue, writes the clip and says when to stop.
"""

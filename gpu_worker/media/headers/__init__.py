"""What the headers of videos and sounds say: how long they are, how large, and how they are coded.

So that the site refuses before anybody waits what the sandbox would refuse on a GPU host. Decodes nothing, and needs
the standard library alone. What a header does not say, or says in a way that is not known here, is left to the sandbox.
"""

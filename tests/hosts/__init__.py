"""A site over many hosts, each a network of its own behind one switch, whose links and machines the tests break.

``make hosts`` runs it, within namespaces of the kernel that end with it: nothing of this machine's network is touched.
"""

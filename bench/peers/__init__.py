"""Servers measured side by side: ours, Node's socket.io, python-socketio. Each prints its port."""

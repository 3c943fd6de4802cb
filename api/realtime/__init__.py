"""Engine.IO 4 and Socket.IO 5 on trio: the protocol, the sockets and what is said over them."""

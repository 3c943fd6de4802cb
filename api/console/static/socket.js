// The smallest Socket.IO v5 client that the console needs: websocket only, default namespace, no
// acks. Reconnects with jittered back-off; `connected` tells the page to join and refetch.

const OPEN = "0", PING = "2", MESSAGE = "4", CONNECT = "0", DISCONNECT = "1", EVENT = "2", CONNECT_ERROR = "4";

export class Socket {
  constructor(getToken, handlers) {
    this.getToken = getToken;
    this.handlers = handlers;
    this.attempt = 0;
    this.stopped = false;
    this.open();
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const query = new URLSearchParams({ EIO: "4", transport: "websocket", token: this.getToken() ?? "" });
    this.ws = new WebSocket(`${scheme}://${location.host}/socket.io/?${query}`);
    this.ws.onmessage = (frame) => this.packet(frame.data);
    this.ws.onclose = () => this.lost();
  }

  packet(text) {
    this.watch();
    const kind = text[0];
    if (kind === OPEN) {
      this.patience = JSON.parse(text.slice(1));
      this.ws.send(MESSAGE + CONNECT);
    } else if (kind === PING) {
      this.ws.send("3");
    } else if (kind === MESSAGE) {
      this.message(text.slice(1));
    }
  }

  message(text) {
    const kind = text[0];
    if (kind === CONNECT) {
      this.attempt = 0;
    } else if (kind === EVENT) {
      const [name, ...args] = JSON.parse(text.slice(text.indexOf("[")));
      if (name === "ready") this.handlers.ready();
      else this.handlers.event(name, ...args);
    } else if (kind === CONNECT_ERROR || kind === DISCONNECT) {
      this.handlers.refused();
      this.ws.close();
    }
  }

  // The server pings: silence for a whole interval and time-out means that the line is dead.
  watch() {
    clearTimeout(this.timer);
    const wait = this.patience ? this.patience.pingInterval + this.patience.pingTimeout : 45000;
    this.timer = setTimeout(() => this.ws.close(), wait);
  }

  lost() {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.handlers.lost();
    const wait = Math.min(15000, 500 * 2 ** this.attempt++) * (0.5 + Math.random());
    this.timer = setTimeout(() => this.open(), wait);
  }

  emit(name, ...args) {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(MESSAGE + EVENT + JSON.stringify([name, ...args]));
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.ws.close();
  }
}

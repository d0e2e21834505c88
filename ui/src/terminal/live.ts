// Watching a running session: a socket to the page's own origin, opened again with growing pauses when it is lost.
import { causeOf, word } from "../words";
import { Reins } from "./reins";
import { readMessage, type Message } from "./messages";
import { Viewer } from "./viewer";

const FIRST_PAUSE_S = 1;
const LONGEST_PAUSE_S = 30;
/** Refused this often without a single message, the address is taken for closed to this person. */
const TRIES_WITHOUT_HELLO = 6;

export function startLive(root: HTMLElement): void {
  const address = new URL(root.dataset.live ?? "", location.href);
  if (address.origin !== location.origin) return;
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";

  const viewer = new Viewer(root, { keepNewest: true });
  const place = document.querySelector<HTMLElement>("[data-reins]");
  const reins = place && new Reins(place);
  // Beside the screen, where who watches also reads and writes.
  const talk = place?.querySelector("[data-talk]");
  if (talk) root.querySelector(".viewer-screen")?.after(talk);
  // After a new connection the server may tell the same commands again.
  const told = new Set<string>();
  let pause = FIRST_PAUSE_S;
  let ended = false;
  let silent = 0;

  const state = (name: string): void => {
    root.dataset.state = name;
  };

  const take = (message: Message): void => {
    switch (message.t) {
      case "hello":
        pause = FIRST_PAUSE_S;
        silent = 0;
        viewer.rewind();
        for (const channel of message.channels) viewer.ensure(channel);
        viewer.say("live", "eye", word("watching"));
        state("watching");
        break;
      case "end":
        ended = true;
        viewer.say("over", "stop", message.cause ? word("endedWith", causeOf(message.cause)) : word("ended"));
        viewer.over();
        state("ended");
        reins?.over(message.cause ? word("endedWith", causeOf(message.cause)) : word("ended"));
        root.dispatchEvent(new CustomEvent("sekisho:ended", { bubbles: true }));
        break;
      case "state":
        reins?.show(message.standing);
        break;
      case "talk":
        reins?.talk(message.lines);
        break;
      case "control":
      case "cmd":
      case "file": {
        const key = JSON.stringify(message);
        if (told.has(key)) break;
        told.add(key);
        if (message.t === "control") reins?.tell(message.at, message.control);
        viewer.list(message);
        viewer.play(message);
        break;
      }
      default:
        viewer.play(message);
    }
  };

  const connect = (): void => {
    viewer.say("wait", "wait", word("connecting"));
    if (root.dataset.state !== "reconnecting") state("connecting");
    silent += 1;
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => reins?.connected(socket));
    socket.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      const message = readMessage(event.data);
      if (message) take(message);
      if (ended) socket.close();
    });
    socket.addEventListener("close", () => {
      if (ended) return;
      reins?.lost();
      if (silent >= TRIES_WITHOUT_HELLO) {
        viewer.say("bad", "warning", word("refused"));
        state("refused");
        return;
      }
      // A little chance keeps a roomful of watchers from coming back in the same instant.
      const seconds = Math.min(LONGEST_PAUSE_S, pause) * (0.8 + Math.random() * 0.4);
      pause *= 2;
      viewer.say("wait", "wait", word("reconnecting", Math.max(1, Math.round(seconds))));
      state("reconnecting");
      setTimeout(connect, seconds * 1000);
    });
  };
  connect();
}

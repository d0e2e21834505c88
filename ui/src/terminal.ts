// The two viewers of a session's terminal: <div data-live="/address"> and <div data-replay="/address">.
import { startLive } from "./terminal/live";
import { Replay } from "./terminal/replay";

for (const root of document.querySelectorAll<HTMLElement>("[data-live]")) startLive(root);
for (const root of document.querySelectorAll<HTMLElement>("[data-replay]")) new Replay(root);

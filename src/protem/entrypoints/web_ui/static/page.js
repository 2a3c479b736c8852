// What every page does with scripts on: times that count, and news of what changed.
// Every page works without this.
import { startCountdowns } from "./countdown.js";
import { listen } from "./news.js";
import { useKeys } from "./signing.js";

startCountdowns();
listen();
useKeys();

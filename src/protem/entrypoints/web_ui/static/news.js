// News from the server: something changed, so parts of the page ask for themselves anew.
//
// The stream is closed while the page is hidden (browsers open six connections to a server, and
// six tabs would take them all) and on return everything is asked for once. What someone is about
// to press does not move: while a confirmation is open or a field has the focus, parts wait.

import { tick } from "./countdown.js";

const PAUSE = 250;
const RETRY = 3000;
let source = null;
let timer = 0;

const inUse = () =>
  document.querySelector("#live details[open]") !== null ||
  document.querySelector("#live")?.contains(document.activeElement);

function changed() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (inUse()) changed();
    else document.body.dispatchEvent(new CustomEvent("changed"));
  }, PAUSE);
}

function open() {
  if (source || document.hidden) return;
  source = new EventSource("/live");
  source.onopen = changed;
  source.onmessage = changed;
  source.onerror = () => {
    if (source?.readyState !== EventSource.CLOSED) return;
    source = null;
    setTimeout(open, RETRY);
  };
}

function close() {
  source?.close();
  source = null;
}

// A request that was edited while it is read is never exchanged silently under the reader.
function tellStale() {
  const standing = document.querySelector("#standing");
  const digest = document.querySelector("form.review [name=digest]");
  const stale = document.querySelector("#stale");
  if (standing && digest && stale) stale.hidden = standing.dataset.digest === digest.value;
}

export function listen() {
  if (!document.querySelector("[hx-trigger]")) return;
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  document.addEventListener("htmx:after:swap", () => {
    tick();
    tellStale();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

// Times to an end, counted by the server's clock: the page says what time it was there.

const skew = Date.parse(document.documentElement.dataset.now) - Date.now();
const two = (number) => String(number).padStart(2, "0");

function left(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  if (hours >= 24) return `in ${Math.floor(hours / 24)}d${hours % 24}h`;
  const clock = `${two(minutes)}:${two(seconds % 60)}`;
  return hours ? `in ${hours}:${clock}` : `in ${clock}`;
}

function tick() {
  const now = Date.now() + skew;
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    const rest = Date.parse(time.dateTime) - now;
    time.textContent = rest > 0 ? left(rest) : "now";
    time.classList.toggle("is-soon", rest < 300_000);
  }
}

export function startCountdowns() {
  tick();
  setInterval(tick, 1000);
}

export { tick };

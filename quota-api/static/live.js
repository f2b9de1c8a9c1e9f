// Keeps a job's page up to date. Without it the page has a link that does the same.
"use strict";

const region = document.getElementById("live-region");
const status = document.getElementById("live-status");
const interrupted = document.getElementById("live-interrupted");

const stream = new EventSource(region.dataset.stream);

stream.addEventListener("state", (event) => {
  const page = new DOMParser().parseFromString(event.data, "text/html");
  const fresh = page.getElementById("live");
  // Whoever stands on a link in the region stays there.
  const focused = document.activeElement && region.contains(document.activeElement) ? document.activeElement.id : "";
  region.replaceChildren(document.adoptNode(fresh));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  const state = document.getElementById("live-state");
  // Read aloud only when it changes.
  const shown = status.querySelector("strong");
  if (shown.textContent !== state.textContent) shown.textContent = state.textContent;
  shown.className = `pill ${state.dataset.tone}`;
  interrupted.hidden = true;
});

stream.addEventListener("interrupted", () => { interrupted.hidden = false; });
for (const last of ["end", "gone"]) stream.addEventListener(last, () => stream.close());

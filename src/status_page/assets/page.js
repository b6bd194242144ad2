// Keeps the page up to date: takes the sections that changed from the server's events, and makes ages of times. Without it the
// page is the same, as old as its loading. What it inserts was escaped by the server.
"use strict";
(() => {
  const SILENCE = 30_000; // three of the server's ticks
  const RETRY = 2_000;
  const body = document.body;
  const main = document.getElementById("sections");
  const connection = document.getElementById("connection");
  const skew = Date.now() - Date.parse(body.dataset.now);
  let heard = Date.now();
  let source = null;

  // As `hopkeeper status` says it: two units at most.
  function age(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    const [m, h, d] = [Math.floor(s / 60), Math.floor(s / 3600), Math.floor(s / 86_400)];
    const both = (large, unit, small, smallUnit) => `${large}${unit}${small ? `${small}${smallUnit}` : ""}`;
    if (s < 120) return `${s}s`;
    if (s < 600) return both(m, "m", s % 60, "s");
    if (s < 10_800) return `${m}m`;
    if (s < 28_800) return both(h, "h", m % 60, "m");
    if (s < 172_800) return `${h}h`;
    if (s < 691_200) return both(d, "d", h % 24, "h");
    return `${d}d`;
  }

  function showAges() {
    const now = Date.now() - skew;
    for (const time of main.querySelectorAll("time")) {
      if (!time.title) time.title = time.textContent;
      const text = `${age((now - Date.parse(time.dateTime)) / 1000)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function say(text) {
    if (connection.textContent !== text) connection.textContent = text;
  }

  // The incident that an address names is shown with its story.
  function openTarget() {
    let name = "";
    try {
      name = decodeURIComponent(location.hash.slice(1));
    } catch {
      return; // An address that somebody mistyped names nothing.
    }
    const story = document.getElementById(name)?.querySelector("details");
    if (story) story.open = true;
  }

  function replace({ id, html }) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    const old = document.getElementById(id);
    if (!old) {
      main.append(fresh);
      return;
    }
    for (const open of old.querySelectorAll("details[open]")) {
      const same = fresh.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = true;
    }
    old.replaceWith(fresh);
  }

  function update(news) {
    if (news.version !== body.dataset.version) {
      location.reload();
      return;
    }
    const focused = document.activeElement && document.activeElement.id;
    news.sections.forEach(replace);
    const kept = new Set(news.order);
    for (const child of [...main.children]) if (!kept.has(child.id)) child.remove();
    news.order.forEach((id, place) => {
      const section = document.getElementById(id);
      if (section && main.children[place] !== section) main.insertBefore(section, main.children[place] || null);
    });
    document.title = news.title;
    const still = focused && document.getElementById(focused);
    if (still && document.activeElement !== still) still.focus({ preventScroll: true });
    showAges();
  }

  function connect() {
    if (source) source.close();
    heard = Date.now();
    source = new EventSource(`${body.dataset.live}?state=${encodeURIComponent(body.dataset.state)}`);
    source.addEventListener("open", () => { heard = Date.now(); say("live"); });
    source.addEventListener("tick", () => { heard = Date.now(); });
    source.addEventListener("update", (event) => {
      heard = Date.now();
      body.dataset.state = event.lastEventId;
      update(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      say("connection lost: trying again");
      // A browser tries again by itself, unless it was answered with an error.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY);
    });
  }

  setInterval(() => {
    if (Date.now() - heard > SILENCE) connect();
    if (!document.hidden) showAges();
  }, 1_000);
  addEventListener("hashchange", openTarget);
  openTarget();
  showAges();
  connect();
})();

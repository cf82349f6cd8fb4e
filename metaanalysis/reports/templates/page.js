"use strict";
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const table = byId("study-table");
  const data = JSON.parse(byId("report-data").textContent);
  root.classList.add("scripted");

  // Sort: each heading becomes a button; without a script it stays a heading.
  const body = table.tBodies[0];
  const heads = Array.from(table.querySelectorAll("th[data-sort]"));
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const first = data.switches ? 1 : 0;
  const valueOf = (row, column) => row.cells[column + first].dataset.value;
  const sortBy = (head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    const numeric = head.dataset.sort === "number";
    const rows = Array.from(body.rows);
    const compare = (a, b) => {
      const x = valueOf(a, column);
      const y = valueOf(b, column);
      if (numeric && (x === "" || y === "")) return (x === "") - (y === "");
      const order = numeric ? Number(x) - Number(y) : collator.compare(x, y);
      return (down ? -order : order) || a.dataset.study - b.dataset.study;
    };
    rows.sort(compare);
    body.append(...rows);
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(head, column));
  });

  // Point at a study, or move to its name, for its data.
  const card = byId("study-card");
  let leaving = 0;
  // Moving by keys scrolls the table under a pointer that rests; that is no pointing.
  let byKeys = false;
  const hide = () => { card.hidden = true; };
  const show = (row) => {
    clearTimeout(leaving);
    const one = data.cards[row.dataset.study];
    const name = document.createElement("p");
    name.dir = "auto";
    name.textContent = one.name;
    const list = document.createElement("dl");
    for (const [term, value] of one.facts) {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      dd.dir = "auto";
      list.append(dt, dd);
    }
    card.replaceChildren(name, list);
    card.hidden = false;
    const at = row.getBoundingClientRect();
    const scroll = table.parentElement.getBoundingClientRect();
    const below = at.bottom + card.offsetHeight + 8 < root.clientHeight;
    const left = Math.min(Math.max(scroll.left, at.left) + 40, root.clientWidth - card.offsetWidth - 12);
    card.style.left = `${Math.max(8, left) + scrollX}px`;
    card.style.top = `${(below ? at.bottom + 4 : Math.max(4, at.top - card.offsetHeight - 4)) + scrollY}px`;
  };
  const leave = () => { if (!byKeys) leaving = setTimeout(hide, 150); };
  for (const row of body.rows) {
    const name = row.querySelector("th");
    name.tabIndex = 0;
    name.setAttribute("aria-describedby", "study-card");
    name.addEventListener("focus", () => show(row));
    name.addEventListener("blur", hide);
    name.addEventListener("mouseenter", () => { if (!byKeys) show(row); });
    name.addEventListener("mouseleave", leave);
  }
  card.addEventListener("mouseenter", () => clearTimeout(leaving));
  card.addEventListener("mouseleave", leave);
  document.addEventListener("keydown", (event) => {
    byKeys = true;
    if (event.key === "Escape") hide();
  });
  document.addEventListener("pointermove", (event) => { if (event.movementX || event.movementY) byKeys = false; });

  // Switch studies off: every number was computed beforehand and comes as text.
  const switches = data.switches;
  if (!switches) return;
  const boxes = Array.from(body.querySelectorAll("input"));
  const studyOf = (box) => Number(box.closest("tr").dataset.study);
  const diamond = ([middle, low, high]) => {
    if (middle === null) return "";
    const ends = low === null || high === null ? [middle - 3, middle + 3] : [low, high];
    return `${ends[0]},27 ${middle},14 ${ends[1]},27 ${middle},40`;
  };
  byId("strip-whole").setAttribute("points", diamond(switches.strip.whole));
  const write = (id, text) => { byId(id).textContent = text; };
  const update = () => {
    const off = boxes.filter((box) => !box.checked).map(studyOf).sort((a, b) => a - b);
    for (const box of boxes) box.closest("tr").classList.toggle("off", !box.checked);
    byId("panel-reset").disabled = off.length === 0;
    let found = switches.all;
    if (off.length === 1) found = switches.one[off[0]];
    if (off.length === 2) found = switches.two[off.join(",")];
    if (off.length > 2) found = null;
    const names = off.map((study) => data.cards[study].name).join(" and ");
    if (found) {
      const [estimate, interval, p, tau2, i2, prediction] = found;
      write("panel-status", off.length ? `Without ${names}` : `All ${boxes.length} studies`);
      write("panel-estimate", estimate);
      write("panel-ci", `${data.ci} ${interval}`);
      write("panel-more", [p, tau2 && `τ² ${tau2}`, i2 && `I² ${i2}`, prediction && `prediction ${prediction}`].filter(Boolean).join(" · "));
      byId("strip-now").setAttribute("points", diamond(found.slice(6)));
    } else {
      const most = switches.most === 1 ? "one study at a time" : "one or two studies";
      const why = off.length === 1 ? switches.why[off[0]] : off.length > switches.most ? `only results without ${most} were computed beforehand` : "there is no result";
      write("panel-status", `${off.length} of ${boxes.length} studies are off: ${why}`);
      write("panel-estimate", "–");
      write("panel-ci", "");
      write("panel-more", "");
      byId("strip-now").setAttribute("points", "");
    }
  };
  for (const box of boxes) box.addEventListener("change", update);
  byId("panel-reset").addEventListener("click", () => {
    for (const box of boxes) box.checked = true;
    update();
  });
  update();
})();

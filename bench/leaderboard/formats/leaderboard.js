"use strict";
// State of the page, all of it in its address: filter, verdict, family, real, section, sort, hide (columns).
const byId = (id) => document.getElementById(id);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const CHOICES = ["verdict", "family", "real", "section"];
const state = { filter: "", verdict: "", family: "", real: "", section: "", sort: "", hide: new Set() };

/** Show the rows, sections and columns that the state names, and say how many methods these are. */
function apply() {
  const part = state.filter.trim().toLowerCase();
  const shown = new Set(), known = new Set();
  for (const row of all("tr[data-label], details.method")) {
    const labels = row.dataset.label.toLowerCase();
    const judged = row.matches("tr") && row.querySelector("td.verdict");
    const gone = !labels.includes(part)
      || (state.verdict && judged && row.dataset.word !== state.verdict)
      || ["family", "real"].some((key) => state[key] && row.dataset[key] !== undefined
        && !row.dataset[key].split("|").includes(state[key]));
    row.hidden = Boolean(gone);
    if (row.dataset.family === undefined || !row.closest("section.results")) continue;
    known.add(row.dataset.label);
    if (!gone) shown.add(row.dataset.label);
  }
  for (const section of all("section.results")) section.hidden = Boolean(state.section) && section.id !== state.section;
  for (const table of all("section.results table, section.across table")) {
    all("th", table).forEach((head, place) => {
      const gone = place > 0 && state.hide.has(head.dataset.key);
      for (const row of table.rows) row.cells[place].hidden = gone;
    });
  }
  byId("count").textContent = `${shown.size} of ${known.size} methods shown`;
}

/** Sort every table that has the column of `state.sort`; a minus in front means descending. Cells without value come last. */
function sort() {
  const key = state.sort.replace(/^-/, ""), descending = state.sort.startsWith("-");
  for (const table of key ? all("table") : []) {
    const heads = all("th", table);
    const place = heads.findIndex((head) => head.dataset.key === key);
    if (place < 0) continue;
    heads.forEach((head, i) => i === place
      ? head.setAttribute("aria-sort", descending ? "descending" : "ascending")
      : head.removeAttribute("aria-sort"));
    const numeric = heads[place].classList.contains("number");
    const value = (row) => row.cells[place].dataset.sort;
    const compare = (a, b) => {
      if (value(a) === "" || value(b) === "") return (value(a) === "") - (value(b) === "");
      const order = numeric ? Number(value(a)) - Number(value(b))
        : value(a).localeCompare(value(b), "en", { numeric: true });
      return descending ? -order : order;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  }
}

/** Write the state to the address, so that the page can be shared as it is seen. */
function remember() {
  const options = new URLSearchParams();
  for (const key of ["filter", ...CHOICES, "sort"]) if (state[key]) options.set(key, state[key]);
  if (state.hide.size) options.set("hide", [...state.hide].join(","));
  history.replaceState(null, "", `#${options}`);
}

/** Read the address: options such as #sort=p&filter=imp, or the id of a part, which is opened and shown. */
function read() {
  const text = location.hash.slice(1);
  const target = text.includes("=") ? null : byId(decodeURIComponent(text));
  if (!target) {
    const options = new URLSearchParams(text);
    for (const key of ["filter", ...CHOICES, "sort"]) state[key] = options.get(key) ?? "";
    state.hide = new Set((options.get("hide") ?? "").split(",").filter(Boolean));
    byId("filter").value = state.filter;
    for (const key of CHOICES) byId(key).value = state[key];
    for (const box of all("#columns input")) box.checked = !state.hide.has(box.value);
    sort();
    apply();
    return;
  }
  if (target.closest("[hidden]")) clear();
  for (let part = target; part; part = part.parentElement) if (part.matches("details")) part.open = true;
  document.documentElement.style.scrollPaddingTop = `${byId("toolbar").offsetHeight + 8}px`;
  target.scrollIntoView();
}

function clear() {
  Object.assign(state, { filter: "", verdict: "", family: "", real: "", section: "", hide: new Set() });
  for (const key of ["filter", ...CHOICES]) byId(key).value = "";
  for (const box of all("#columns input")) box.checked = true;
  apply();
}

function picker() {
  const titles = new Map();
  for (const head of all("section.results th")) {
    if (head.cellIndex > 0 && !titles.has(head.dataset.key)) titles.set(head.dataset.key, head.textContent.trim());
  }
  for (const [key, title] of titles) {
    const label = document.createElement("label"), input = document.createElement("input");
    Object.assign(input, { type: "checkbox", checked: true, value: key });
    input.addEventListener("change", () => {
      if (input.checked) state.hide.delete(key); else state.hide.add(key);
      apply();
      remember();
    });
    label.append(input, " ", title);
    byId("columns").append(label);
  }
}

picker();
for (const head of all("th[data-key]")) {
  head.addEventListener("click", () => {
    const numeric = head.classList.contains("number"), before = head.getAttribute("aria-sort");
    const descending = before === null ? numeric : before === "ascending";
    state.sort = (descending ? "-" : "") + head.dataset.key;
    sort();
    remember();
  });
}
for (const key of ["filter", ...CHOICES]) {
  byId(key).addEventListener(key === "filter" ? "input" : "change", () => {
    state[key] = byId(key).value;
    apply();
    remember();
  });
}
byId("clear").addEventListener("click", () => { clear(); remember(); });
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !event.target.matches("input, select, textarea")) {
    event.preventDefault();
    byId("toolbar").open = true;
    byId("filter").focus();
  } else if (event.key === "Escape" && event.target === byId("filter")) {
    clear();
    remember();
  }
});
addEventListener("hashchange", read);
if (matchMedia("(max-width: 40rem)").matches) byId("toolbar").open = false;
apply();
read();

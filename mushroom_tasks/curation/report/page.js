"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("table");
  const body = table.tBodies[0];

  // Find: rows of the table and sections of the species whose name holds the text.
  const named = document.querySelectorAll("[data-name]");
  const find = byId("find");
  find.addEventListener("input", () => {
    const text = find.value.trim().toLowerCase();
    let rows = 0;
    for (const each of named) {
      each.hidden = !each.dataset.name.includes(text);
      if (!each.hidden && each.tagName === "TR") rows += 1;
    }
    byId("found").textContent = text ? `${rows} of ${body.rows.length}` : "";
  });

  // Sort: names upwards at first, numbers downwards.
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = column === 0 ? "ascending" : "descending";
      const second = column === 0 ? "descending" : "ascending";
      const direction = head.getAttribute("aria-sort") === first ? second : first;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const value = (row) => (column === 0 ? row.dataset.name : Number(row.cells[column].dataset.v));
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return x < y ? -sign : x > y ? sign : 0;
      });
      body.append(...rows);
    });
  });

  // A link to a species opens its section.
  const open = () => {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", open);
  open();

  // The map of one species.
  const one = byId("one");
  if (one) {
    const plane = byId("plane");
    one.addEventListener("change", () => {
      plane.classList.toggle("one-only", one.value !== "");
      for (const mark of plane.querySelectorAll("[data-c]")) {
        mark.classList.toggle("chosen", mark.dataset.c === one.value);
      }
    });
  }
})();

"use strict";
// Tables sort by a click on a header: ascending, then descending. Empty cells stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      body.append(...sorted([...body.rows], column, falling ? -1 : 1));
    });
  });
}

function sorted(rows, column, sign) {
  const key = (row) => row.cells[column].dataset.key;
  const known = rows.filter((row) => key(row) !== "");
  const numeric = known.every((row) => !Number.isNaN(Number(key(row))));
  const compare = numeric ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  known.sort((a, b) => sign * compare(key(a), key(b)));
  return [...known, ...rows.filter((row) => key(row) === "")];
}

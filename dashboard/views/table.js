// A table with reasons on hover and on focus, headers that sort, and links that stay within the session. Text arrives
// as data and is set as text, never as HTML.
export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector(".place");
  const tip = parentElement.querySelector(".tip");
  const state = (parentElement.sorted ??= { column: null, down: false });
  let explained = null; // the element whose reason is shown
  const body = make("tbody");
  const headers = data.columns.map(header);
  const rows = data.rows.map((row) => ({ row, line: line(row) }));

  const table = make("table", "", data.columns[0].label === "#" ? "ranked" : "");
  table.append(make("thead"), body);
  table.tHead.append(make("tr"));
  table.tHead.rows[0].append(...headers);
  place.replaceChildren(table);
  order();
  tip.style.display = "none";
  window.addEventListener("scroll", follow, true);
  return () => window.removeEventListener("scroll", follow, true);

  function header(column, index) {
    const cell = make("th", column.label, column.right ? "right" : "");
    cell.scope = "col";
    cell.tabIndex = 0;
    explain(cell, column.help);
    const sort = () => {
      const again = state.column === index;
      Object.assign(state, again && state.down ? { column: null, down: false } : { column: index, down: again });
      order();
    };
    cell.onclick = sort;
    cell.onkeydown = (event) => event.key === "Enter" && sort();
    return cell;
  }

  function line(row) {
    const found = make("tr", "", row.pale ? "pale" : "");
    found.append(...row.cells.map((cell, index) => value(cell, data.columns[index])));
    return found;
  }

  function value(cell, column) {
    const found = make("td", "", `${column.right ? "right" : ""} ${column.wrap ? "wrap" : ""}`);
    const text = cell.link ? link(cell) : breakable(make("span"), cell.text ?? "");
    explain(text, cell.why);
    if (cell.share != null) found.append(bar(cell.share));
    if (cell.text) found.append(text);
    for (const label of cell.labels ?? []) {
      const pill = make("span", label.text, `label ${label.colour}`);
      explain(pill, label.why);
      found.append(pill);
    }
    if (cell.below) found.append(make("small", cell.below));
    return found;
  }

  function link(cell) {
    const found = breakable(make("a"), cell.text);
    found.href = `${cell.page}?${new URLSearchParams(cell.link)}`;
    found.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a new tab
      event.preventDefault();
      setTriggerValue("opened", { page: cell.page, link: cell.link });
    };
    return found;
  }

  // Lines may break after the signs that join the parts of a name. Copied text has no breaks.
  function breakable(element, text) {
    element.append(...text.split(/(?<=[_+=])/).flatMap((part) => [part, make("wbr")]));
    return element;
  }

  function bar(share) {
    const found = make("i", "", "bar");
    found.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
    return found;
  }

  // Show a reason beside its element: on hover, and on focus for keyboards and touch screens.
  function explain(element, why) {
    if (!why) return;
    element.classList.add("why");
    element.tabIndex = 0;
    element.setAttribute("aria-label", `${element.textContent}: ${why}`);
    element.onmouseenter = element.onfocus = () => {
      explained = element;
      tip.textContent = why;
      tip.style.display = "block";
      follow();
    };
    element.onmouseleave = element.onblur = () => {
      if (explained !== element) return;
      explained = null;
      tip.style.display = "none";
    };
  }

  // Place the reason above its element, or below where there is no room; follow the element when the page scrolls.
  function follow() {
    if (!explained) return;
    const at = explained.getBoundingClientRect();
    const left = Math.min(at.left, window.innerWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? at.bottom + 6 : above}px`;
  }

  // Sort by the chosen column, cells without a value last. Without a chosen column, keep the order of the data.
  function order() {
    headers.forEach((cell, index) => {
      const ours = index === state.column;
      cell.setAttribute("aria-sort", ours ? (state.down ? "descending" : "ascending") : "none");
    });
    const key = ({ row }) => row.cells[state.column]?.sort ?? null;
    const sorted = [...rows];
    if (state.column != null) {
      sorted.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x == null || y == null) return (x == null) - (y == null);
        return (x < y ? -1 : x > y ? 1 : 0) * (state.down ? -1 : 1);
      });
    }
    body.replaceChildren(...sorted.map(({ line }) => line));
  }

  function make(name, text = "", names = "") {
    const element = document.createElement(name);
    element.textContent = text;
    element.className = names;
    return element;
  }
}

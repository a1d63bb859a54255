/** Small helpers for the page. Text goes in as text, never as markup. */

/**
 * Make an element: `h("p.hint", "words")`, `h("button", {type: "button", onclick}, "Retry")`.
 * @param {string} what  tag and classes, as `li.row.bad`
 * @returns {HTMLElement}
 */
export function h(what, ...parts) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  for (const part of parts.flat()) {
    if (part === null || part === undefined || part === "") continue;
    if (part instanceof Node || typeof part === "string") element.append(part);
    else setAll(element, part);
  }
  return element;
}

function setAll(element, values) {
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value);
  }
}

/** @returns {HTMLElement} the element of this id; the page has it */
export function byId(id) {
  return document.getElementById(id);
}

/** A list of rows, newest first, at most `max`: beyond it the oldest row goes. Rows are redrawn by key. */
export class Rows {
  /** @param {HTMLElement} list @param {(value: any) => HTMLElement} draw */
  constructor(list, draw, max = 50) {
    this.list = list;
    this.draw = draw;
    this.max = max;
    /** @type {Map<string, {value: any, row: HTMLElement}>} in the order of the page, oldest first */
    this.entries = new Map();
  }

  get(key) {
    return this.entries.get(key)?.value;
  }

  values() {
    return [...this.entries.values()].map((entry) => entry.value);
  }

  /** Put a value on top, or redraw it where it stands. */
  put(key, value) {
    const row = this.draw(value);
    const known = this.entries.get(key);
    if (known) {
      replace(known.row, row);
      Object.assign(known, { value, row });
      return;
    }
    this.entries.set(key, { value, row });
    this.list.prepend(row);
    while (this.entries.size > this.max) {
      const [oldest, entry] = this.entries.entries().next().value;
      entry.row.remove();
      this.entries.delete(oldest);
    }
  }

  /** Draw a value again because something it shows has become known. */
  redraw(key) {
    if (this.entries.has(key)) this.put(key, this.get(key));
  }

  /** Draw everything again, as after a change of language. */
  redrawAll() {
    for (const key of this.entries.keys()) this.redraw(key);
  }

  clear() {
    this.entries.clear();
    this.list.replaceChildren();
  }
}

/** Replace a row and keep the keyboard where it was. */
function replace(old, row) {
  const hadFocus = old.contains(document.activeElement);
  old.replaceWith(row);
  if (hadFocus) (row.querySelector("button") ?? row.parentElement)?.focus();
}

// What the views share: elements whose text is never markup, links within the dashboard, one instance per place.
const NS = "http://www.w3.org/2000/svg"
// Characters that turn the direction of all text that follows them, their own line and others'.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g
const plain = (text) => String(text).replace(TURNS, "\ufffd")
const cut = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text)

function make(tag, className, text) {
  const element = document.createElement(tag)
  if (className) element.className = className
  if (text !== undefined && text !== null) element.textContent = plain(text)
  return element
}

function svg(tag, attributes = {}, text) {
  const element = document.createElementNS(NS, tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  if (text !== undefined) element.textContent = plain(text)
  return element
}

// A plain click changes the page without loading it anew, and Back works.
function link(item, className) {
  const anchor = make("a", className, item.text)
  anchor.href = item.href
  if (item.title) anchor.title = plain(item.title)
  if (item.href.startsWith("http")) Object.assign(anchor, { target: "_blank", rel: "noopener noreferrer" })
  if (item.download || item.href.startsWith("http")) return anchor
  anchor.addEventListener("click", (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    history.pushState({}, "", item.href)
    window.dispatchEvent(new PopStateEvent("popstate", { state: {} }))
  })
  return anchor
}

// Lines beside the pointer, the first one bold, kept within `root`.
function showTip(tip, root, event, lines) {
  tip.replaceChildren(...lines.map((line, at) => make(at ? "div" : "b", "", line)))
  const box = root.getBoundingClientRect()
  tip.style.display = "block"
  tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 8))}px`
  tip.style.top = `${Math.max(0, Math.min(event.clientY - box.top + 14, box.height - tip.offsetHeight - 8))}px`
}

function duration(ns) {
  if (ns < 1e3) return `${ns.toFixed(0)} ns`
  for (const [unit, size] of [["µs", 1e3], ["ms", 1e6], ["s", 1e9]]) {
    const value = ns / size
    if (value < 1000 || unit === "s") return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`
  }
}

// Streamlit calls a component again for each change: the instance at that place is kept, so zoom and scroll are, too.
const instances = new WeakMap()
function instanceOf(Kind, className, parentElement) {
  if (!instances.has(parentElement)) instances.set(parentElement, new Kind(parentElement.querySelector(className)))
  return instances.get(parentElement)
}

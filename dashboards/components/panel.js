// Blocks of text, figures, tables and links. Data: {blocks: [...]}. (shared.js comes before.)
// A value is text, or {text, tone}, {text, href}, or {time_ms}: a time, written in the reader's own zone.
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" }
const clock = new Intl.DateTimeFormat(undefined, CLOCK)
const local = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit", ...CLOCK })

function cell(value) {
  if (value === null || typeof value !== "object") return make("span", "", value)
  if (value.time_ms !== undefined) {
    const time = make("span", "time", value.short ? clock.format(value.time_ms) : local.format(value.time_ms))
    time.title = local.format(value.time_ms)
    return time
  }
  return value.href ? link(value) : make("span", value.tone || "", value.text)
}

const draw = {
  nav: (block) => {
    const bar = make("nav", "nav")
    bar.append(make("span", "brand", "tracelab"), ...block.links.map((item) => link(item, item.current ? "current" : "")))
    return [bar]
  },
  title: (block) => [make("h2", "", block.text), ...(block.sub ? [make("p", "sub", block.sub)] : [])],
  heading: (block) => [make("h3", "", block.text)],
  text: (block) => [make("p", block.tone || "", block.text)],
  code: (block) => [make("pre", "", block.text)],
  links: (block) => {
    const list = make("div", "links")
    list.append(...block.items.map((item) => link(item)))
    return [list]
  },
  actions: (block) => {
    const bar = make("div", "actions")
    for (const item of block.items) {
      if (item.href) { bar.append(link(item)); continue }
      const button = make("button", "", item.text)
      button.onclick = () => navigator.clipboard.writeText(location.href).then(() => { button.textContent = "copied" }, () => { button.textContent = "the browser does not allow it" })
      bar.append(button)
    }
    return [bar]
  },
  figures: (block) => {
    const grid = make("div", "figures")
    for (const [label, value, tone] of block.items) {
      const box = make("div", "figure")
      box.append(make("span", "label", label), make("span", `value ${tone || ""}`))
      box.lastChild.append(cell(value))
      grid.append(box)
    }
    return [grid]
  },
  bars: (block) => {
    const list = make("div", block.stacked ? "bars stacked" : "bars")
    for (const item of block.items) {
      const row = make("div", "bar")
      const fill = make("div", "fill")
      fill.style.width = `${Math.max(1, 100 * item.share)}%`
      if (item.color) fill.style.background = item.color
      const track = make("div", "track")
      track.append(fill)
      row.append(item.href ? link({ text: item.label, href: item.href }, "label") : make("span", "label", item.label), track, make("span", "value", item.value))
      list.append(row)
    }
    return [list]
  },
  table: (block) => {
    const table = make("table", block.wrap ? "wrap" : "")
    const head = table.createTHead().insertRow()
    for (const name of block.columns) head.append(make("th", block.right.includes(name) ? "right" : "", name))
    const body = table.createTBody()
    for (const values of block.rows) {
      const row = body.insertRow()
      values.forEach((value, at) => {
        const data = make("td", block.right.includes(block.columns[at]) ? "right" : "")
        data.append(cell(value))
        row.append(data)
      })
    }
    const wrap = make("div", "scroll")
    wrap.append(table)
    return [wrap]
  },
  spark: (block) => {
    const most = Math.max(1, ...block.calls), wide = 100 / block.calls.length
    const chart = svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": `${block.calls.reduce((a, b) => a + b, 0)} calls over the window` })
    block.calls.forEach((count, at) => {
      const bar = (className, value) => value && chart.append(svg("rect", { class: className, x: at * wide, width: wide * 0.85, y: 30 - Math.max(1, (value / most) * 29), height: Math.max(1, (value / most) * 29) }))
      bar("calls", count)
      bar("failed", block.failed[at])
    })
    return [chart]
  },
  pairs: (block) => {
    const list = make("dl")
    for (const [key, value] of block.items) list.append(make("dt", "", key), make("dd"))
    for (const [at, [, value]] of block.items.entries()) list.children[2 * at + 1].append(cell(value))
    return [list]
  },
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".panel")
  const text = JSON.stringify(data)
  if (root.dataset.drawn === text) return
  root.dataset.drawn = text
  root.replaceChildren(...data.blocks.flatMap((block) => draw[block.type](block)))
}

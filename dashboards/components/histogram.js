// Durations on a logarithmic axis, one or more series; a range is dragged, and a click takes it away.
// Data: {edges_ns: [k+1], series: [{name, colour, counts: [k]}], chosen: [from, to] or [], marks: [[ns, text], …]}.
const HIGH = 96, AXIS = 18

class Histogram {
  constructor(root) {
    this.root = root
    this.svg = svg("svg", { role: "img" })
    this.tip = make("div", "tip")
    this.legend = make("div", "legend")
    root.replaceChildren(this.legend, this.svg, this.tip)
    this.svg.addEventListener("pointerdown", (event) => this.drag(event))
    this.svg.addEventListener("pointermove", (event) => this.over(event))
    this.svg.addEventListener("pointerleave", () => { this.tip.style.display = "none" })
    new ResizeObserver(() => this.draw()).observe(root)
  }

  update(data, choose) {
    this.choose = choose
    const text = JSON.stringify(data)
    if (text === this.drawn) return
    this.drawn = text
    this.data = data
    this.chosen = data.chosen
    this.draw()
  }

  at(ns) { // nanoseconds to pixels
    const { edges_ns: edges } = this.data, [low, high] = [Math.log(edges[0]), Math.log(edges[edges.length - 1])]
    return ((Math.log(Math.max(ns, 1)) - low) / (high - low)) * this.width
  }

  ns(x) {
    const { edges_ns: edges } = this.data, [low, high] = [Math.log(edges[0]), Math.log(edges[edges.length - 1])]
    return Math.exp(low + (Math.min(Math.max(x, 0), this.width) / this.width) * (high - low))
  }

  draw() {
    this.width = this.root.clientWidth
    if (!this.width || !this.data) return
    const { edges_ns: edges, series, marks } = this.data
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HIGH + AXIS}`)
    this.svg.setAttribute("height", HIGH + AXIS)
    this.svg.setAttribute("aria-label", `distribution of durations: ${series.map((one) => one.name).join(", ")}`)
    const parts = []
    if (this.chosen.length) {
      const [from, to] = this.chosen.map((ns) => this.at(ns))
      parts.push(svg("rect", { class: "chosen", x: from, y: 0, width: Math.max(to - from, 2), height: HIGH }))
    }
    for (const [order, one] of series.entries()) {
      const total = series.length > 1 ? one.counts.reduce((a, b) => a + b, 0) || 1 : 1 // two series are compared as shares
      const most = Math.max(...series.map((each) => Math.max(...each.counts) / (series.length > 1 ? each.counts.reduce((a, b) => a + b, 0) || 1 : 1)), 1e-9)
      const steps = []
      one.counts.forEach((count, at) => {
        const [x, to] = [this.at(edges[at]), this.at(edges[at + 1])]
        const y = count ? HIGH - Math.max(2, (count / total / most) * (HIGH - 6)) : HIGH
        if (order === 0 && count) parts.push(svg("rect", { class: "bar", x, y, width: Math.max(to - x - 1, 1), height: HIGH - y, fill: one.colour }))
        steps.push(`${steps.length ? "L" : "M"}${x},${y} L${to},${y}`)
      })
      if (order > 0) parts.push(svg("path", { class: "outline", d: steps.join(" "), stroke: one.colour }))
    }
    for (const [ns, text] of marks) {
      const x = this.at(ns)
      parts.push(svg("line", { class: "mark", x1: x, x2: x, y1: 0, y2: HIGH }), svg("text", { class: "mark", x: x + 3, y: 10 }, text))
    }
    parts.push(svg("line", { class: "axis", x1: 0, x2: this.width, y1: HIGH, y2: HIGH }))
    let free = 0
    for (const base of [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11]) {
      for (const times of [1, 2, 5]) {
        const x = this.at(base * times)
        if (x < free || x > this.width - 30) continue
        parts.push(svg("line", { class: "axis", x1: x, x2: x, y1: HIGH, y2: HIGH + 4 }), svg("text", { class: "axis", x: x + 3, y: HIGH + 13 }, `${duration(base * times)}`))
        free = x + 62
      }
    }
    this.svg.replaceChildren(...parts)
    this.legend.replaceChildren(...(series.length > 1 ? series.map((one) => { const item = make("span", "", one.name); item.style.setProperty("--c", one.colour); return item }) : []))
  }

  x(event) {
    return event.clientX - this.svg.getBoundingClientRect().left
  }

  over(event) {
    const { edges_ns: edges, series } = this.data, ns = this.ns(this.x(event))
    const at = Math.min(Math.max(edges.findIndex((edge) => edge > ns) - 1, 0), edges.length - 2)
    showTip(this.tip, this.root, event, [`${duration(edges[at])} to ${duration(edges[at + 1])}`, ...series.map((one) => `${one.name}: ${one.counts[at].toLocaleString()}`)])
  }

  drag(event) {
    if (!this.choose) return
    const from = this.x(event)
    const range = (next) => [from, this.x(next)].sort((a, b) => a - b).map((x) => Math.round(this.ns(x)))
    const move = (next) => { this.chosen = range(next); this.draw() }
    const end = (next) => {
      window.removeEventListener("pointermove", move)
      window.removeEventListener("pointerup", end)
      if (Math.abs(this.x(next) - from) > 4) this.choose(range(next))
      else { this.chosen = []; this.draw(); this.choose([]) }
    }
    window.addEventListener("pointermove", move)
    window.addEventListener("pointerup", end)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  instanceOf(Histogram, ".histogram", parentElement).update(data, data.drag ? (range) => setTriggerValue("range", range) : null)
}

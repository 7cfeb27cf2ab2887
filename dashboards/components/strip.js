// The window as bars of requests and failures over time. Drag to choose a part, double click for all of it, play to
// let a part walk through the window. Data: {from_ms, step_ms, calls: [], failed: [], chosen: [from_ms, to_ms] or [],
// marks: [[at_ms, kind, text]]}.
const STEPS = 40, PLAY_MS = 1000

class Strip {
  constructor(root) {
    this.root = root
    this.svg = svg("svg", { role: "slider", tabindex: 0, "aria-label": "requests over time; drag to choose a part, arrow keys move it" })
    this.play = make("button", "play", "▶")
    this.play.title = "replay the window"
    this.text = make("span", "text")
    root.replaceChildren(this.play, this.svg, this.text)
    this.play.onclick = () => (this.timer ? this.stop() : this.start())
    this.svg.addEventListener("pointerdown", (event) => this.drag(event))
    this.svg.addEventListener("dblclick", () => this.choose([]))
    this.svg.addEventListener("keydown", (event) => this.key(event))
    this.resize = new ResizeObserver(() => this.draw())
    this.resize.observe(root)
  }

  update(data, tell) {
    this.tell = tell
    const text = JSON.stringify(data)
    if (text === this.told) return
    this.told = text
    this.data = data
    if (!this.dragging && !this.timer) this.chosen = data.chosen
    this.draw()
  }

  get ends() {
    const { from_ms, step_ms, calls } = this.data
    return [from_ms, from_ms + step_ms * calls.length]
  }

  draw() {
    if (!this.data) return
    const width = this.svg.clientWidth, height = this.svg.clientHeight
    const { calls, failed, step_ms } = this.data, [from, to] = this.ends
    const most = Math.max(1, ...calls), x = (ms) => ((ms - from) / (to - from)) * width
    const bars = []
    calls.forEach((count, at) => {
      if (!count) return
      const left = x(from + at * step_ms), wide = Math.max(1, x(from + (at + 1) * step_ms) - left - 1)
      const high = Math.max(2, (count / most) * (height - 16)), bad = failed[at] ? Math.max(2, (failed[at] / most) * (height - 16)) : 0
      bars.push(svg("rect", { class: "calls", x: left, y: height - 14 - high, width: wide, height: high }))
      if (bad) bars.push(svg("rect", { class: "failed", x: left, y: height - 14 - bad, width: wide, height: bad }))
    })
    for (let at = 0; at <= 6; at++) {
      const ms = from + ((to - from) * at) / 6
      const anchor = at === 0 ? "start" : at === 6 ? "end" : "middle"
      bars.push(svg("text", { x: x(ms), y: height - 2, "text-anchor": anchor }, clock(ms, to - from)))
    }
    for (const [ms, kind, text] of this.data.marks || []) {
      const mark = svg("g", { class: `mark ${kind}` }), at = x(ms)
      const title = svg("title", {})
      title.textContent = `${clock(ms, 0)}  ${text}`
      mark.append(title, svg("line", { x1: at, x2: at, y1: 0, y2: height - 14 }), svg("path", { d: `M${at - 4},0 h8 l-4,6 z` }))
      bars.push(mark)
    }
    if (this.chosen.length) {
      const [a, b] = this.chosen.map((ms) => Math.min(Math.max(x(ms), 0), width))
      bars.push(svg("rect", { class: "veil", x: 0, y: 0, width: a, height: height - 14 }), svg("rect", { class: "veil", x: b, y: 0, width: width - b, height: height - 14 }))
      bars.push(svg("rect", { class: "chosen", x: a, y: 1, width: Math.max(b - a, 2), height: height - 16 }))
    }
    this.svg.replaceChildren(...bars)
    this.text.textContent = this.chosen.length ? `${clock(this.chosen[0], 0)} – ${clock(this.chosen[1], 0)}` : "all of it"
    this.svg.setAttribute("aria-valuetext", this.text.textContent)
  }

  choose(range) {
    this.chosen = range.map((ms) => Math.round(ms))
    this.draw()
    this.tell(this.chosen)
  }

  drag(event) {
    this.stop()
    const box = this.svg.getBoundingClientRect(), [from, to] = this.ends
    const at = (next) => from + Math.min(Math.max((next.clientX - box.left) / box.width, 0), 1) * (to - from)
    const begin = at(event)
    this.dragging = true
    const move = (next) => { this.chosen = [begin, at(next)].sort((a, b) => a - b); this.draw() }
    const end = (next) => {
      window.removeEventListener("pointermove", move)
      window.removeEventListener("pointerup", end)
      this.dragging = false
      if (Math.abs(next.clientX - event.clientX) < 4) { this.chosen = this.data.chosen; this.draw() } // a click chooses nothing
      else this.choose(this.chosen)
    }
    window.addEventListener("pointermove", move)
    window.addEventListener("pointerup", end)
  }

  key(event) {
    if (event.key === "Escape") return this.choose([])
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (!step) return
    event.preventDefault()
    const [from, to] = this.ends, size = this.chosen.length ? this.chosen[1] - this.chosen[0] : (to - from) / 10
    const begin = this.chosen.length ? this.chosen[0] + (step * size) / 2 : to - size
    const kept = Math.min(Math.max(begin, from), to - size)
    this.choose([kept, kept + size])
  }

  start() {
    const [from, to] = this.ends
    const size = this.chosen.length ? this.chosen[1] - this.chosen[0] : (to - from) / (STEPS / 4)
    let begin = this.chosen.length && this.chosen[1] < to - 1 ? this.chosen[0] : from
    this.play.textContent = "❚❚"
    const step = () => {
      this.choose([begin, begin + size])
      begin += (to - from) / STEPS
      if (begin + size > to + 1) this.stop()
    }
    this.timer = setInterval(step, PLAY_MS)
    step()
  }

  stop() {
    clearInterval(this.timer)
    this.timer = 0
    this.play.textContent = "▶"
  }
}

function clock(ms, span) {
  const date = new Date(ms)
  if (span > 36 * 3600e3) return date.toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" })
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: span > 2 * 3600e3 ? undefined : "2-digit" })
}

export default function ({ data, parentElement, setTriggerValue }) {
  instanceOf(Strip, ".strip", parentElement).update(data, (range) => setTriggerValue("range", range))
}

//! A dashboard's picture for the documentation, drawn from the answers to its panels' questions: what is shown, not how Kibana
//! would draw it to the pixel.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

use super::panel::{Answer, Panel};

/// A column and a row of the grid, in pixels.
const CELL: [f64; 2] = [24.0, 20.0];
const HEAD: f64 = 44.0;
const FOOT: f64 = 26.0;
const LINE: f64 = 16.0;
const COLORS: [&str; 8] = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c755f"];

/// Where something is drawn: left, top, width, height.
#[derive(Clone, Copy)]
struct Area {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

/// The whole picture as SVG.
pub(super) fn draw(title: &str, panels: &[(Panel, Answer)]) -> String {
    let rows = panels.iter().map(|(panel, _)| panel.place[1] + panel.place[3]).max().unwrap_or(0);
    let (width, height) = (48.0 * CELL[0], HEAD + rows as f64 * CELL[1] + FOOT);
    let mut svg = Svg::default();
    writeln!(
        svg.0,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#f5f7fa\"/>",
        escaped(title)
    )
    .expect("should write to a string");
    svg.text(12.0, 28.0, title, "font-size=\"18\" font-weight=\"bold\" fill=\"#1a1c21\"");
    for (panel, answer) in panels {
        let [x, y, w, h] = panel.place.map(|side| side as f64);
        let place =
            Area { x: x * CELL[0] + 3.0, y: HEAD + y * CELL[1] + 3.0, w: w * CELL[0] - 6.0, h: h * CELL[1] - 6.0 };
        svg.panel(panel, answer, place);
    }
    let note = "Drawn from what Elasticsearch answered to this dashboard's queries about a recorded run; not a screenshot of Kibana.";
    svg.text(12.0, height - 9.0, note, "fill=\"#69707d\"");
    svg.0.push_str("</svg>\n");
    svg.0
}

#[derive(Default)]
struct Svg(String);

impl Svg {
    fn text(&mut self, x: f64, y: f64, text: &str, style: &str) {
        writeln!(self.0, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{}</text>", escaped(text)).expect("should write");
    }

    fn rect(&mut self, area: Area, fill: &str) {
        let Area { x, y, w, h } = area;
        writeln!(self.0, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{fill}\"/>")
            .expect("should write");
    }

    fn panel(&mut self, panel: &Panel, answer: &Answer, place: Area) {
        self.rect(place, "#ffffff");
        let title = cut(&panel.title, place.w - 16.0);
        self.text(place.x + 8.0, place.y + 17.0, &title, "font-weight=\"bold\" fill=\"#343741\"");
        let inside = Area { x: place.x + 8.0, y: place.y + 28.0, w: place.w - 16.0, h: place.h - 36.0 };
        match panel.look.as_str() {
            "lnsMetric" => self.number(answer, inside),
            "lnsDatatable" | "search" => self.table(answer, inside),
            "bar_horizontal_stacked" => self.rows(answer, inside, false),
            "bar_horizontal_percentage_stacked" => self.rows(answer, inside, true),
            "line" => self.lines(answer, inside, false),
            "steps" => self.lines(answer, inside, true),
            _ => self.bars(answer, inside),
        }
    }

    fn number(&mut self, answer: &Answer, area: Area) {
        let shown = answer.shown(0, 0);
        self.text(
            area.x + area.w / 2.0,
            area.y + area.h / 2.0 + 10.0,
            &shown,
            "font-size=\"28\" text-anchor=\"middle\" fill=\"#1a1c21\"",
        );
    }

    fn table(&mut self, answer: &Answer, area: Area) {
        // Each column is as wide as its longest text wants, all together as wide as the panel.
        let texts: Vec<Vec<String>> = (0..answer.rows.len())
            .map(|row| (0..answer.columns.len()).map(|column| answer.shown(row, column)).collect())
            .collect();
        let fits = (area.h / LINE).floor() as usize;
        let longest = |column: usize| {
            let shown = texts.iter().take(fits).map(|row| row[column].chars().count());
            shown.chain([answer.columns[column].chars().count()]).max().unwrap_or(1).clamp(4, 60) as f64
        };
        let wanted: Vec<f64> = (0..answer.columns.len()).map(longest).collect();
        let all: f64 = wanted.iter().sum();
        let mut x = area.x;
        for (column, wants) in wanted.iter().enumerate() {
            let width = area.w * wants / all;
            let head = cut(&answer.columns[column], (width - 6.0) * 0.9);
            self.text(x, area.y + 10.0, &head, "font-weight=\"bold\" fill=\"#69707d\"");
            for (row, texts) in texts.iter().take(fits.saturating_sub(1)).enumerate() {
                let y = area.y + 10.0 + LINE * (row + 1) as f64;
                let link = answer.formats[column] == "url";
                let style = if link { "fill=\"#0061a6\"" } else { "fill=\"#343741\"" };
                self.text(x, y, &cut(&texts[column], width - 6.0), style);
            }
            x += width;
        }
    }

    /// Names of the series beside the chart; gives what is left for it.
    fn legend(&mut self, series: &[String], area: Area) -> Area {
        if series.len() < 2 {
            return area;
        }
        let longest = series.iter().map(|name| name.chars().count()).max().unwrap_or(0) as f64;
        let width = (longest * 6.0 + 18.0).min(area.w * 0.45);
        for (index, name) in series.iter().enumerate() {
            let (x, y) = (area.x + area.w - width + 6.0, area.y + LINE * index as f64);
            self.rect(Area { x, y, w: 8.0, h: 8.0 }, color(index));
            self.text(x + 12.0, y + 8.0, &cut(name, width - 18.0), "fill=\"#343741\"");
        }
        Area { w: area.w - width, ..area }
    }

    fn bars(&mut self, answer: &Answer, area: Area) {
        let chart = Chart::of(answer);
        let area = self.legend(&chart.series, area);
        let high = chart.points.values().map(|values| values.values().sum::<f64>()).fold(1.0, f64::max);
        let plot = self.axes(&chart, high, area);
        for (at, values) in &chart.points {
            let width = (plot.w / chart.slots() * 0.8).max(2.0);
            let x = plot.x + plot.w * (chart.place(at) + 0.5) / chart.slots() - width / 2.0;
            let mut y = plot.y + plot.h;
            for (series, value) in values {
                let h = plot.h * value / high;
                y -= h;
                self.rect(Area { x, y, w: width, h }, color(*series));
            }
        }
    }

    fn lines(&mut self, answer: &Answer, area: Area, steps: bool) {
        let chart = Chart::of(answer);
        let area = self.legend(&chart.series, area);
        let high = chart.points.values().flat_map(BTreeMap::values).copied().fold(1.0, f64::max);
        let plot = self.axes(&chart, high, area);
        for series in 0..chart.series.len() {
            let points = chart.points.iter().filter_map(|(at, values)| Some((at, *values.get(&series)?)));
            let points: Vec<(f64, f64)> = points
                .map(|(at, value)| {
                    let x = plot.x + plot.w * (chart.place(at) + 0.5) / chart.slots();
                    // Lines that lie over each other are told apart.
                    (x, plot.y + plot.h * (1.0 - value / high) + 3.0 * series as f64)
                })
                .collect();
            for (x, y) in &points {
                let fill = color(series);
                writeln!(self.0, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{fill}\"/>")
                    .expect("should write");
            }
            let mut path: Vec<String> = Vec::new();
            for (index, (x, y)) in points.iter().enumerate() {
                path.push(format!("{x:.1},{y:.1}"));
                let next = points.get(index + 1).map_or(plot.x + plot.w, |(next, _)| *next);
                if steps {
                    path.push(format!("{next:.1},{y:.1}"));
                }
            }
            let (path, stroke) = (path.join(" "), color(series));
            writeln!(self.0, "<polyline points=\"{path}\" fill=\"none\" stroke=\"{stroke}\"/>").expect("should write");
        }
    }

    /// Axes and their ends' names; gives the area between them.
    fn axes(&mut self, chart: &Chart, high: f64, area: Area) -> Area {
        let plot = Area { x: area.x + 28.0, y: area.y, w: area.w - 36.0, h: area.h - LINE };
        let (bottom, grey) = (plot.y + plot.h, "fill=\"#69707d\"");
        self.rect(Area { y: bottom, h: 1.0, ..plot }, "#d3dae6");
        self.text(area.x, plot.y + 8.0, &rounded(high), grey);
        self.text(area.x, bottom, "0", grey);
        let names: Vec<_> = chart.points.keys().collect();
        if chart.is_time {
            if let [first, .., last] = names[..] {
                self.text(plot.x, bottom + 12.0, &clock(first), grey);
                self.text(plot.x + plot.w, bottom + 12.0, &clock(last), "text-anchor=\"end\" fill=\"#69707d\"");
            }
            return plot;
        }
        for (index, name) in names.iter().enumerate() {
            let x = plot.x + plot.w * (index as f64 + 0.5) / chart.slots();
            self.text(x, bottom + 12.0, &cut(name, plot.w / chart.slots()), "text-anchor=\"middle\" fill=\"#69707d\"");
        }
        plot
    }

    fn rows(&mut self, answer: &Answer, area: Area, shares: bool) {
        let chart = Chart::of(answer);
        let area = self.legend(&chart.series, area);
        let sum = |values: &BTreeMap<usize, f64>| values.values().sum::<f64>();
        let high = chart.points.values().map(sum).fold(1.0, f64::max);
        let names = area.w * 0.35;
        let height = (area.h / chart.points.len().max(1) as f64).min(24.0);
        let mut points: Vec<_> = chart.points.iter().collect();
        points.sort_by(|one, other| sum(other.1).total_cmp(&sum(one.1)));
        for (index, (name, values)) in points.into_iter().enumerate() {
            let y = area.y + height * index as f64;
            self.text(area.x, y + height * 0.6, &cut(name, names - 6.0), "fill=\"#343741\"");
            let whole = if shares { sum(values) } else { high };
            let mut x = area.x + names;
            for (series, value) in values {
                let w = (area.w - names - 24.0) * value / whole;
                self.rect(Area { x, y: y + 2.0, w, h: height - 5.0 }, color(*series));
                x += w;
            }
            self.text(x + 4.0, y + height * 0.6, &rounded(sum(values)), "fill=\"#69707d\"");
        }
    }
}

/// A chart's numbers by its first column's values, and by series.
struct Chart {
    series: Vec<String>,
    points: BTreeMap<String, BTreeMap<usize, f64>>,
    is_time: bool,
}

impl Chart {
    fn of(answer: &Answer) -> Self {
        let time = answer.rows.first().and_then(|row| row[..answer.keys].iter().position(is_time));
        let at = time.unwrap_or(0);
        let split = (0..answer.keys).find(|key| *key != at);
        let mut series: Vec<String> = Vec::new();
        let mut points: BTreeMap<String, BTreeMap<usize, f64>> = BTreeMap::new();
        for row in &answer.rows {
            for (column, value) in row.iter().enumerate().skip(answer.keys) {
                let Some(value) = value.as_f64() else { continue };
                let name = split.map_or_else(|| answer.columns[column].clone(), |split| plain(&row[split]));
                let known = series.iter().position(|known| *known == name);
                let index = known.unwrap_or_else(|| {
                    series.push(name);
                    series.len() - 1
                });
                points.entry(plain(&row[at])).or_default().insert(index, value);
            }
        }
        Self { series, points, is_time: time.is_some() }
    }

    /// How many places there are along the axis.
    fn slots(&self) -> f64 {
        if self.is_time { 50.0 } else { self.points.len().max(1) as f64 }
    }

    /// Which of them is a point's.
    fn place(&self, at: &str) -> f64 {
        let index = |text: &str| self.points.keys().position(|key| key == text).unwrap_or(0) as f64;
        let seconds = |text: &str| text.parse::<Timestamp>().map(|at| at.as_millisecond() as f64 / 1000.0).ok();
        let ends = self.points.keys().next().zip(self.points.keys().next_back());
        match ends.and_then(|(first, last)| Some((seconds(first)?, seconds(last)?, seconds(at)?))) {
            Some((first, last, at)) if self.is_time && last > first => (at - first) / (last - first) * 49.0,
            _ => index(at),
        }
    }
}

impl Answer {
    /// A cell as people read it.
    fn shown(&self, row: usize, column: usize) -> String {
        let value = &self.rows[row][column];
        match (self.formats[column].as_str(), value.as_f64()) {
            (_, _) if value.is_null() => "–".to_owned(),
            ("duration", Some(seconds)) => format!("{seconds:.0} s"),
            ("percent", Some(share)) => format!("{:.0} %", share * 100.0),
            ("url", _) if value.as_str().is_some_and(|text| text.starts_with("_g=")) => "lines".to_owned(),
            (_, Some(number)) => rounded(number),
            _ if is_time(value) => clock(&plain(value)),
            _ => plain(value),
        }
    }
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() >= 20 && text.parse::<Timestamp>().is_ok())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn clock(time: &str) -> String {
    time.get(11..19).unwrap_or(time).to_owned()
}

fn rounded(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn color(index: usize) -> &'static str {
    COLORS[index % COLORS.len()]
}

/// So much of a text as is about so many pixels wide.
fn cut(text: &str, pixels: f64) -> String {
    let most = (pixels / 6.0).max(1.0) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

//! Plots, as SVG: lines over an axis, and bars.
//!
//! Enters: named figures. Leaves: a text that any browser draws. Always true: every figure is within the axes, which begin
//! at zero (or, where the figures span more than two decades, are logarithmic); text is escaped.

use std::fmt::Write;

use super::measure::rounded;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
/// Room for titles and numbers: left, right, top, bottom.
const MARGINS: [f64; 4] = [80.0, 24.0, 48.0, 64.0];
const COLOURS: [&str; 4] = ["#1f6feb", "#d1642b", "#2b9348", "#7b4fb5"];

/// A plot, before it is drawn.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of its file, without ending.
    pub name: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Lines(Vec<(&'static str, Vec<(f64, f64)>)>),
    Bars(Vec<(&'static str, f64)>),
}

/// One axis: figures to places.
struct Axis {
    is_logarithmic: bool,
    from: f64,
    to: f64,
    /// Where the first and the last figure are drawn.
    ends: (f64, f64),
}

impl Axis {
    fn over(figures: impl Iterator<Item = f64> + Clone, ends: (f64, f64)) -> Axis {
        let largest = figures.clone().fold(0.0, f64::max);
        let smallest = figures.fold(f64::INFINITY, f64::min);
        let is_logarithmic = smallest > 0.0 && largest / smallest > 100.0;
        if is_logarithmic {
            let decade = |figure: f64| 10_f64.powf(figure);
            let (from, to) = (decade(smallest.log10().floor()), decade(largest.log10().ceil()));
            return Axis { is_logarithmic, from, to, ends };
        }
        let to = if largest > 0.0 { round_up(largest) } else { 1.0 };
        Axis { is_logarithmic, from: 0.0, to, ends }
    }

    fn place(&self, figure: f64) -> f64 {
        let share = if self.is_logarithmic {
            (figure / self.from).log10() / (self.to / self.from).log10()
        } else {
            (figure - self.from) / (self.to - self.from)
        };
        self.ends.0 + share * (self.ends.1 - self.ends.0)
    }

    fn marks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let tens = std::iter::successors(Some(self.from), |mark| Some(mark * 10.0));
            return tens.take_while(|mark| *mark <= self.to * 1.01).collect();
        }
        (0..=5).map(|part| self.to * f64::from(part) / 5.0).collect()
    }
}

/// The next figure of 1, 2 or 5 times a power of ten.
fn round_up(figure: f64) -> f64 {
    let decade = 10_f64.powf(figure.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|step| step * decade);
    steps.into_iter().find(|step| *step >= figure).unwrap_or(10.0 * decade)
}

/// A figure with few characters: 1200000 is 1.2M.
fn short(figure: f64) -> String {
    for (limit, unit) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if figure >= limit {
            return format!("{}{unit}", rounded(figure / limit));
        }
    }
    rounded(figure).to_string()
}

impl Plot {
    /// Lines over `x`.
    pub(super) fn lines(name: &'static str, title: &'static str, x: &'static str, y: &'static str) -> Plot {
        Plot { name, title, x, y, content: Content::Lines(Vec::new()) }
    }

    /// Adds a line: its points, by rising `x`.
    pub(super) fn with(mut self, what: &'static str, points: Vec<(f64, f64)>) -> Plot {
        match &mut self.content {
            Content::Lines(lines) => lines.push((what, points)),
            Content::Bars(_) => unreachable!("lines are added to lines"),
        }
        self
    }

    /// A bar each.
    pub(super) fn bars(
        name: &'static str,
        title: &'static str,
        y: &'static str,
        bars: Vec<(&'static str, f64)>,
    ) -> Plot {
        Plot { name, title, x: "", y, content: Content::Bars(bars) }
    }

    /// The plot as SVG.
    pub fn svg(&self) -> String {
        let [left, right, top, bottom] = MARGINS;
        let (across, up) = ((left, WIDTH - right), (HEIGHT - bottom, top));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let text = |svg: &mut String, x: f64, y: f64, anchor: &str, words: &str| {
            let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
        };
        text(&mut svg, left, top - 24.0, "start", self.title);
        text(&mut svg, left, top - 8.0, "start", self.y);
        text(&mut svg, f64::midpoint(across.0, across.1), HEIGHT - 16.0, "middle", self.x);
        let heights: Vec<f64> = match &self.content {
            Content::Lines(lines) => {
                lines.iter().flat_map(|(_, points)| points).map(|point| point.1).collect()
            }
            Content::Bars(bars) => bars.iter().map(|bar| bar.1).collect(),
        };
        let y = match &self.content {
            Content::Lines(_) => Axis::over(heights.iter().copied(), up),
            // Bars are compared by their lengths: never logarithmic.
            Content::Bars(_) => Axis::over(heights.iter().copied().chain([0.0]), up),
        };
        for mark in y.marks() {
            let at = y.place(mark);
            let _ = writeln!(
                svg,
                "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>",
                across.0, across.1
            );
            text(&mut svg, left - 8.0, at + 4.0, "end", &short(mark));
        }
        match &self.content {
            Content::Lines(lines) => {
                let x = Axis::over(lines.iter().flat_map(|(_, points)| points).map(|point| point.0), across);
                for mark in x.marks() {
                    text(&mut svg, x.place(mark), up.0 + 18.0, "middle", &short(mark));
                }
                for (nth, (what, points)) in lines.iter().enumerate() {
                    let colour = COLOURS[nth % COLOURS.len()];
                    let places: Vec<String> =
                        points.iter().map(|p| format!("{:.1},{:.1}", x.place(p.0), y.place(p.1))).collect();
                    let _ = writeln!(
                        svg,
                        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
                        places.join(" ")
                    );
                    // Few points are shown as such.
                    for point in points.iter().filter(|_| points.len() <= 20) {
                        let (cx, cy) = (x.place(point.0), y.place(point.1));
                        let _ = writeln!(
                            svg,
                            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{colour}\"/>"
                        );
                    }
                    let row = top + 14.0 * f64::from(u8::try_from(nth).expect("few lines"));
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>",
                        across.1 - 10.0,
                        row - 9.0
                    );
                    text(&mut svg, across.1 - 16.0, row, "end", what);
                }
            }
            Content::Bars(bars) => {
                #[expect(clippy::cast_precision_loss, reason = "few bars")]
                let (step, width) = ((across.1 - across.0) / bars.len() as f64, 0.7);
                let mut at = across.0;
                for (nth, (what, figure)) in bars.iter().enumerate() {
                    let (tip, foot) = (y.place(*figure), up.0);
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{:.1}\" y=\"{tip:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                        at + step * (1.0 - width) / 2.0,
                        step * width,
                        foot - tip,
                        COLOURS[nth % COLOURS.len()]
                    );
                    let middle = at + step / 2.0;
                    text(&mut svg, middle, tip - 6.0, "middle", &short(*figure));
                    text(&mut svg, middle, foot + 18.0, "middle", what);
                    at += step;
                }
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_figures() {
        for (figure, wanted) in [(1.0, 1.0), (1.1, 2.0), (23.0, 50.0), (700.0, 1000.0)] {
            assert!((round_up(figure) - wanted).abs() < 1e-6, "{figure}: {}", round_up(figure));
        }
        let decades = Axis::over([1e6, 1e7, 2e8].into_iter(), (0.0, 3.0));
        assert_eq!(decades.marks().len(), 4);
        assert!((decades.place(1e7) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_plot_is_one_svg_with_every_figure_inside() {
        let lines = Plot::lines("a", "A & B", "n", "1/s").with("ours <1>", vec![(1.0, 5.0), (2.0, 9.0)]);
        let bars = Plot::bars("b", "Bars", "ns", vec![("decode", 3.0), ("nothing", 0.0)]);
        for plot in [lines, bars] {
            let svg = plot.svg();
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("A & B") && !svg.contains("\"-"), "{svg}");
        }
    }
}

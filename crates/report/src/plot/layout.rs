//! How a panel is laid out: the ranges of its axes, and the room that labels, legend and colour bar take.

use super::axis::{Ruler, Tick};
use super::canvas::Point;
use super::marks::Mark;
use super::panel::Panel;
use super::path::Rect;
use super::text;

/// Sizes of text.
pub(super) const TITLE: f64 = 11.5;
pub(super) const LABEL: f64 = 10.5;
pub(super) const SMALL: f64 = 9.5;
/// Distance of lines of text, in font sizes.
pub(super) const LINE_HEIGHT: f64 = 1.2;
/// Length of a tick.
pub(super) const TICK: f64 = 4.0;
/// Width of axes and ticks.
pub(super) const THIN: f64 = 0.8;
/// Width of the label of y with the space around it; its baseline lies in the middle.
pub(super) const Y_LABEL: f64 = LABEL * 1.7;
/// Width and distance of a colour bar.
pub(super) const BAR: [f64; 2] = [9.0, 8.0];
/// Length of a dash and of the gap after it.
pub(super) const DASH: [f64; 2] = [5.0, 3.0];

/// What a panel needs around its axes, in pixels, and its chosen axes.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) x: Ruler,
    pub(super) y: Ruler,
    pub(super) legend: Vec<Vec<usize>>,
    pub(super) room: f64,
    /// Whether the names on x stand upright, since they have no room to lie beside each other.
    pub(super) upright_names: bool,
}

impl Panel {
    /// The ranges of x and y.
    fn ranges(&self) -> [[f64; 2]; 2] {
        let x_data = self.marks.iter().flat_map(Mark::x_data);
        let y_data: Vec<f64> = self.marks.iter().flat_map(Mark::y_data).collect();
        let any = |test: fn(&Mark) -> bool| self.marks.iter().any(test);
        let x = if any(|mark| matches!(mark, Mark::Dots { .. })) { [0.04; 2] } else { [0.0; 2] };
        let y = if any(|mark| matches!(mark, Mark::Raster { .. } | Mark::Heat(_))) {
            [0.0; 2]
        } else if any(|mark| matches!(mark, Mark::Bars { .. })) {
            let below = y_data.iter().any(|y| *y < 0.0);
            [if below { 0.05 } else { 0.0 }, 0.05]
        } else {
            [0.05; 2]
        };
        let mut y_range = self.y.range_of(y_data.into_iter(), y);
        if self.shown_matrix().is_some() {
            y_range.reverse();
        }
        [self.x.range_of(x_data, x), y_range]
    }

    /// The space that the panel needs, as far as the width of its axes does not matter.
    pub(super) fn frame(&self, width: f64, height: f64, letters: bool) -> Frame {
        let [x_range, y_range] = self.ranges();
        let y = self.y.ruler(y_range, ((height - 50.0) / 32.0).max(2.0) as usize);
        let y_label = if self.y.label.is_empty() { 0.0 } else { Y_LABEL };
        let left = if self.blank { 0.0 } else { TICK + 3.0 + y.label_width(SMALL) + y_label };
        let right = if self.blank {
            0.0
        } else if let Some(matrix) = self.shown_matrix() {
            let scale = matrix.ruler();
            let label = if matrix.label.is_empty() { 0.0 } else { LABEL * 1.4 };
            BAR[0] + BAR[1] + TICK + 3.0 + scale.label_width(SMALL) + label
        } else {
            self.direct_names().map(|(.., name)| text::width(name, SMALL) + 8.0).fold(8.0, f64::max)
        };
        let title = if self.title.is_empty() && !letters { 0.0 } else { TITLE * 1.5 };
        let top = title + if y.exponent == 0 { 4.0 } else { SMALL * 1.5 };
        let x = self.x.ruler(x_range, ((width - left - right) / 50.0).max(2.0) as usize);
        // Half of the last label may stand beyond the end of the axis.
        let overhang =
            if self.x.ticks.is_some() || self.x.hidden { 0.0 } else { x.label_width(SMALL) / 2.0 - 3.0 };
        let right = right.max(overhang);
        Frame {
            left,
            right,
            top,
            bottom: 0.0,
            x,
            y,
            legend: Vec::new(),
            room: width - left - right,
            upright_names: false,
        }
    }

    /// Completes a frame whose axes are `width` wide, in a cell of this height: ticks of x, legend, wrapped labels.
    pub(super) fn finish_frame(&self, frame: &mut Frame, width: f64, height: f64) {
        frame.room = width.max(10.0);
        if self.blank {
            return;
        }
        let [x_range, _] = self.ranges();
        if let Some(ticks) = &self.x.ticks {
            let mut axis = self.x.clone();
            let place = self.matrix_width(frame, height).unwrap_or(frame.room) / ticks.len().max(1) as f64;
            let wrap = |tick: &Tick| text::wrap(&tick.label, SMALL, place - 4.0).join("\n");
            let wrapped: Vec<Tick> =
                ticks.iter().map(|tick| Tick { at: tick.at, label: wrap(tick) }).collect();
            let widest = |ticks: &[Tick]| {
                let lines = ticks.iter().flat_map(|tick| tick.label.lines());
                lines.map(|line| text::width(line, SMALL)).fold(0.0, f64::max)
            };
            frame.upright_names = self.x.named && widest(&wrapped) > place;
            axis.ticks = Some(if frame.upright_names { every(ticks, place) } else { wrapped });
            frame.x = axis.ruler(x_range, 0);
        } else {
            let mut count = (frame.room / 50.0).max(2.0) as usize;
            loop {
                frame.x = self.x.ruler(x_range, count);
                let total: f64 = frame
                    .x
                    .ticks
                    .iter()
                    .filter(|tick| tick.is_major())
                    .map(|tick| text::width(&tick.label, SMALL) + 8.0)
                    .sum();
                if total <= frame.room || count <= 1 {
                    break;
                }
                count -= 1;
            }
        }
        let mut used = f64::INFINITY;
        for (at, _, name) in self.named() {
            let need = 28.0 + text::width(name, SMALL);
            if used + need > frame.room {
                frame.legend.push(Vec::new());
                used = 0.0;
            }
            used += need;
            if let Some(row) = frame.legend.last_mut() {
                row.push(at);
            }
        }
        frame.top += SMALL * 1.45 * frame.legend.len() as f64;
        frame.bottom = TICK + 4.0;
        if !self.x.hidden {
            let label = if self.x.label.is_empty() { 0.0 } else { LABEL * 1.5 };
            frame.bottom += frame.x_labels() + label;
        }
    }

    /// The width of a matrix whose cells are square, as far as the height of its cell in the grid allows it.
    fn matrix_width(&self, frame: &Frame, height: f64) -> Option<f64> {
        let matrix = self.shown_matrix().filter(|matrix| matrix.is_square())?;
        let [rows, columns] = matrix.shape();
        let below = TICK + 4.0 + SMALL * LINE_HEIGHT + LABEL * 1.5;
        Some(frame.room.min((height - frame.top - below).max(10.0) * columns / rows))
    }
}

impl Frame {
    /// The height of the tick labels of x.
    pub(super) fn x_labels(&self) -> f64 {
        if self.upright_names {
            self.x.label_width(SMALL)
        } else {
            SMALL * LINE_HEIGHT * self.x.label_lines() as f64
        }
    }
}

/// As many of these names as can stand side by side `place` apart: all, every second, every third.
fn every(ticks: &[Tick], place: f64) -> Vec<Tick> {
    let step = (SMALL * LINE_HEIGHT / place.max(0.1)).ceil().max(1.0) as usize;
    let name =
        |at: usize, tick: &Tick| if at.is_multiple_of(step) { tick.label.clone() } else { String::new() };
    ticks.iter().enumerate().map(|(at, tick)| Tick { at: tick.at, label: name(at, tick) }).collect()
}

/// Where a point of the data lies in pixels.
pub(super) fn place(frame: &Frame, rect: &Rect, point: Point) -> Point {
    (frame.x.place(point.0, [rect.left, rect.right]), frame.y.place(point.1, [rect.bottom, rect.top]))
}

//! How a panel is laid out: the ranges of its axes, and the room that labels, legend and colour bar take.

use super::axis::{Axis, Ruler, Tick};
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
}

impl Panel {
    /// The ranges of x and y.
    fn ranges(&self) -> [[f64; 2]; 2] {
        let x_data = self.marks.iter().flat_map(Mark::x_data);
        let y_data: Vec<f64> = self.marks.iter().flat_map(Mark::y_data).collect();
        let any = |test: fn(&Mark) -> bool| self.marks.iter().any(test);
        let x = if any(|mark| matches!(mark, Mark::Dots { .. })) { [0.04; 2] } else { [0.0; 2] };
        let y = if any(|mark| matches!(mark, Mark::Raster { .. } | Mark::Heat { .. })) {
            [0.0; 2]
        } else if any(|mark| matches!(mark, Mark::Bars { .. })) {
            let below = y_data.iter().any(|y| *y < 0.0);
            [if below { 0.05 } else { 0.0 }, 0.05]
        } else {
            [0.05; 2]
        };
        let mut y_range = self.y.range_of(y_data.into_iter(), y);
        if self.heat_mark().is_some() {
            y_range.reverse();
        }
        [self.x.range_of(x_data, x), y_range]
    }

    /// The space that the panel needs, as far as the width of its axes does not matter.
    pub(super) fn frame(&self, width: f64, height: f64, letters: bool) -> Frame {
        let [x_range, y_range] = self.ranges();
        let y = self.y.ruler(y_range, ((height - 50.0) / 32.0).max(2.0) as usize);
        let y_label = if self.y.label.is_empty() { 0.0 } else { LABEL * 1.45 };
        let left = if self.blank { 0.0 } else { TICK + 3.0 + y.label_width(SMALL) + y_label };
        let right = if self.blank {
            0.0
        } else if let Some((_, limit, label)) = self.heat_mark() {
            let scale = Axis::default().ruler([-limit, limit], 4);
            let label = if label.is_empty() { 0.0 } else { LABEL * 1.4 };
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
        Frame { left, right, top, bottom: 0.0, x, y, legend: Vec::new(), room: width - left - right }
    }

    /// Completes a frame whose axes are `width` wide: ticks of x, legend, wrapped labels.
    pub(super) fn finish_frame(&self, frame: &mut Frame, width: f64) {
        frame.room = width.max(10.0);
        if self.blank {
            return;
        }
        let [x_range, _] = self.ranges();
        if let Some(ticks) = &self.x.ticks {
            let slot = frame.room / ticks.len().max(1) as f64 - 4.0;
            let wrapped = ticks
                .iter()
                .map(|tick| Tick { at: tick.at, label: text::wrap(&tick.label, SMALL, slot).join("\n") });
            frame.x = Axis { ticks: Some(wrapped.collect()), ..self.x.clone() }.ruler(x_range, 0);
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
            frame.bottom += SMALL * LINE_HEIGHT * frame.x.label_lines() as f64 + label;
        }
    }
}

/// Where a point of the data lies in pixels.
pub(super) fn place(frame: &Frame, rect: &Rect, point: Point) -> Point {
    (frame.x.place(point.0, [rect.left, rect.right]), frame.y.place(point.1, [rect.bottom, rect.top]))
}

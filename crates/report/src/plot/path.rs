//! Polylines in pixels: thinned to what can be seen, clipped to their panel, dashed.

use super::canvas::Point;

/// Whether x never decreases.
fn runs_forward(points: &[Point]) -> bool {
    points.windows(2).all(|pair| pair[0].0 <= pair[1].0)
}

/// Thins a line to what can be seen. Of the points in one pixel column, a line that runs forward keeps the first, the
/// lowest, the highest and the last, so that no extreme is lost; another line drops points within half a pixel of the
/// last one kept.
pub(super) fn thin(points: &[Point]) -> Vec<Point> {
    if !runs_forward(points) {
        return thin_curve(points);
    }
    let mut out = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let column = first.0.floor();
        let length = rest.iter().take_while(|point| point.0.floor() == column).count().max(1);
        let (here, after) = rest.split_at(length);
        if length <= 4 {
            out.extend_from_slice(here);
        } else {
            let y = |at: usize| here[at].1;
            let lowest = (0..length).fold(0, |best, at| if y(at) < y(best) { at } else { best });
            let highest = (0..length).fold(0, |best, at| if y(at) > y(best) { at } else { best });
            let mut keep = [0, lowest.min(highest), lowest.max(highest), length - 1].to_vec();
            keep.dedup();
            out.extend(keep.into_iter().map(|at| here[at]));
        }
        rest = after;
    }
    out
}

fn thin_curve(points: &[Point]) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let near = out.last().is_some_and(|last| (point.0 - last.0).hypot(point.1 - last.1) < 0.5);
        if !near || at + 1 == points.len() {
            out.push(*point);
        }
    }
    out
}

/// A panel's drawing surface: left, top, right, bottom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    pub(super) fn contains(&self, point: Point) -> bool {
        (self.left..=self.right).contains(&point.0) && (self.top..=self.bottom).contains(&point.1)
    }

    pub(super) fn clamp(&self, point: Point) -> Point {
        (point.0.clamp(self.left, self.right), point.1.clamp(self.top, self.bottom))
    }

    /// The part of a segment inside (Liang and Barsky 1984).
    fn clip_segment(&self, a: Point, b: Point) -> Option<(Point, Point)> {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (step, room) in
            [(-dx, a.0 - self.left), (dx, self.right - a.0), (-dy, a.1 - self.top), (dy, self.bottom - a.1)]
        {
            if step == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if step < 0.0 {
                enter = enter.max(room / step);
            } else {
                leave = leave.min(room / step);
            }
        }
        let at = |part: f64| (a.0 + part * dx, a.1 + part * dy);
        (enter <= leave)
            .then(|| (if enter > 0.0 { at(enter) } else { a }, if leave < 1.0 { at(leave) } else { b }))
    }

    /// The pieces of a line inside.
    pub(super) fn clip(&self, points: &[Point]) -> Vec<Vec<Point>> {
        let mut pieces: Vec<Vec<Point>> = Vec::new();
        for pair in points.windows(2) {
            let Some((a, b)) = self.clip_segment(pair[0], pair[1]) else { continue };
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&a) => piece.push(b),
                _ => pieces.push(vec![a, b]),
            }
        }
        pieces
    }
}

/// Cuts a line into dashes. Length is measured along x where the line runs forward, so that a noisy trace does not
/// fall apart into thousands of pieces; along the line otherwise.
pub(super) fn dash(points: &[Point], on: f64, off: f64) -> Vec<Vec<Point>> {
    let along_x = points.len() > 2 && runs_forward(points);
    let mut pieces = Vec::new();
    let mut piece: Vec<Point> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        loop {
            let length = if along_x { b.0 - a.0 } else { (b.0 - a.0).hypot(b.1 - a.1) };
            if length <= left {
                left -= length;
                if drawing {
                    piece.push(b);
                }
                break;
            }
            let part = left / length;
            a = (a.0 + part * (b.0 - a.0), a.1 + part * (b.1 - a.1));
            if drawing {
                piece.push(a);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![a];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
    }
    if piece.len() > 1 {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECT: Rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let mut points: Vec<Point> =
            (0..100_000).map(|i| (f64::from(i) / 1000.0, (f64::from(i) * 0.7).sin())).collect();
        points[54_321].1 = 40.0;
        points[54_399].1 = -30.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= 400, "{}", thinned.len());
        for at in [0, 54_321, 54_399, points.len() - 1] {
            assert!(thinned.contains(&points[at]), "lost point {at}");
        }
        assert!(runs_forward(&thinned));
    }

    #[test]
    fn short_lines_and_loops_survive_thinning() {
        let short = [(0.0, 0.0), (0.1, 1.0), (0.2, 2.0)];
        assert_eq!(thin(&short), short);
        let circle: Vec<Point> = (0..=10_000)
            .map(|i| f64::from(i) * 1e-4 * std::f64::consts::TAU)
            .map(|a| (50.0 * a.cos(), 50.0 * a.sin()))
            .collect();
        let thinned = thin(&circle);
        assert!(thinned.len() > 300 && thinned.len() < 700, "{}", thinned.len());
        assert_eq!(thinned.last(), circle.last());
    }

    #[test]
    fn clipping_cuts_at_the_border() {
        let pieces = RECT.clip(&[(-5.0, 5.0), (5.0, 5.0), (5.0, 20.0), (8.0, 20.0), (8.0, 2.0)]);
        assert_eq!(pieces, [vec![(0.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(8.0, 10.0), (8.0, 2.0)]]);
        assert!(RECT.clip(&[(-5.0, -5.0), (-1.0, 20.0)]).is_empty());
    }

    #[test]
    fn dashes_cover_their_share() {
        let pieces = dash(&[(0.0, 0.0), (100.0, 0.0)], 6.0, 4.0);
        let drawn: f64 = pieces.iter().map(|p| p[p.len() - 1].0 - p[0].0).sum();
        assert!((drawn - 60.0).abs() < 1e-9, "{drawn}");
        let steep: Vec<Point> = (0..100).map(|i| (f64::from(i), f64::from(i % 2) * 1000.0)).collect();
        assert!(dash(&steep, 6.0, 4.0).len() <= 11);
    }
}

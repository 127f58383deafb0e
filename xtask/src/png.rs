//! `png`: a PNG beside every SVG of a directory, for slides and for programs that read no SVG. The conversion is left to whichever
//! program is installed: a renderer of SVG with its fonts would be the largest dependency of the project.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{Outcome, root};

/// How many pixels of the PNG are one of the drawing.
const ZOOM: u32 = 2;

/// A program that converts, and the arguments that it takes.
struct Converter {
    program: &'static str,
    args: fn(&Path, &Path, [u32; 2]) -> Vec<OsString>,
}

/// The programs in the order in which they are looked for.
const CONVERTERS: [Converter; 6] = [
    Converter { program: "resvg", args: |svg, png, _| words(&["--zoom", &ZOOM.to_string()], &[svg, png]) },
    Converter {
        program: "rsvg-convert",
        args: |svg, png, _| {
            let mut args = words(&["--zoom", &ZOOM.to_string(), "--output"], &[png]);
            args.push(svg.into());
            args
        },
    },
    Converter { program: "inkscape", args: inkscape },
    Converter { program: "chromium", args: browser },
    Converter { program: "chromium-browser", args: browser },
    Converter { program: "google-chrome", args: browser },
];

fn words(flags: &[&str], paths: &[&Path]) -> Vec<OsString> {
    flags.iter().map(OsString::from).chain(paths.iter().map(|path| path.as_os_str().to_owned())).collect()
}

fn inkscape(svg: &Path, png: &Path, [width, _]: [u32; 2]) -> Vec<OsString> {
    let mut out = OsString::from("--export-filename=");
    out.push(png);
    vec![svg.into(), out, format!("--export-width={}", width * ZOOM).into()]
}

/// A browser without a window takes a picture of the drawing.
fn browser(svg: &Path, png: &Path, [width, height]: [u32; 2]) -> Vec<OsString> {
    let mut shot = OsString::from("--screenshot=");
    shot.push(png);
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"];
    let mut args = words(&flags, &[]);
    args.push(format!("--force-device-scale-factor={ZOOM}").into());
    args.push(format!("--window-size={width},{height}").into());
    args.push(shot);
    let mut address = OsString::from("file://");
    address.push(svg);
    args.push(address);
    args
}

/// Converts all drawings below the directory, which is that of the reproduction if none is named.
pub(crate) fn run(args: &[OsString]) -> Outcome {
    let folder = match args {
        [] => root().join("target").join("reproduce"),
        [folder] => PathBuf::from(folder),
        _ => return Err("give one directory, or none for target/reproduce".to_owned()),
    };
    let folder = folder
        .canonicalize()
        .map_err(|error| format!("{}: {error}; `cargo xtask reproduce` makes drawings", folder.display()))?;
    let mut drawings = Vec::new();
    collect(&folder, &mut drawings).map_err(|error| format!("{}: {error}", folder.display()))?;
    let installed = |converter: &&Converter| {
        let mut command = Command::new(converter.program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let converter = CONVERTERS.iter().find(installed).ok_or_else(|| {
        let names = CONVERTERS.each_ref().map(|converter| converter.program);
        format!("none of these is installed, one of which converts drawings: {}", names.join(", "))
    })?;
    for svg in &drawings {
        let text = std::fs::read_to_string(svg).map_err(|error| format!("{}: {error}", svg.display()))?;
        let size = size(&text).ok_or_else(|| format!("{}: no width and height", svg.display()))?;
        let png = svg.with_extension("png");
        let mut command = Command::new(converter.program);
        command.args((converter.args)(svg, &png, size)).stdout(Stdio::null()).stderr(Stdio::null());
        let done = command.status().is_ok_and(|status| status.success()) && png.is_file();
        if !done {
            return Err(format!("{} could not convert {}", converter.program, svg.display()));
        }
    }
    println!("{} PNG files beside the drawings below {}", drawings.len(), folder.display());
    Ok(())
}

fn collect(folder: &Path, drawings: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, drawings)?;
        } else if path.extension().is_some_and(|extension| extension == "svg") {
            drawings.push(path);
        }
    }
    drawings.sort();
    Ok(())
}

/// Width and height of a drawing, in pixels.
fn size(svg: &str) -> Option<[u32; 2]> {
    let head = svg.split('>').next()?;
    let number = |name: &str| -> Option<u32> {
        let value = head.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?;
        Some(value.parse::<f64>().ok()?.ceil() as u32)
    };
    Some([number("width")?, number("height")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_that_of_the_drawing_and_of_no_line_in_it() {
        let svg =
            r#"<svg xmlns="x" width="720.5" height="190" viewBox="0 0 1 1"><path stroke-width="3"/></svg>"#;
        assert_eq!(size(svg), Some([721, 190]));
        assert_eq!(size("<svg><path width=\"3\" height=\"2\"/></svg>"), None);
    }

    #[test]
    fn every_converter_is_given_both_files() {
        let (svg, png) = (Path::new("a.svg"), Path::new("a.png"));
        for converter in &CONVERTERS {
            let args = (converter.args)(svg, png, [10, 20]);
            let has = |end: &str| args.iter().any(|arg| arg.to_string_lossy().ends_with(end));
            assert!(has("a.svg") && has("a.png"), "{}: {args:?}", converter.program);
        }
    }
}

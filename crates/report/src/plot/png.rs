//! Pictures of coloured cells as data URIs, for what would be too many shapes.

use super::colour::Colour;
use crate::Error;

/// A colour and its opacity, from 0 to 255.
pub(super) type Ink = (Colour, u8);

/// Cells of a picture, row by row from the top, each the place of its colour in `inks`.
pub(super) struct Picture<'a> {
    pub(super) columns: usize,
    pub(super) cells: &'a [u8],
    pub(super) inks: &'a [Ink],
}

impl Picture<'_> {
    /// The picture as a PNG file in a data URI.
    pub(super) fn data_uri(&self) -> Result<String, Error> {
        let mut file = Vec::new();
        self.write(&mut file).map_err(|source| Error::Picture { source: Box::new(source) })?;
        Ok(format!("data:image/png;base64,{}", base64(&file)))
    }

    fn write(&self, file: &mut Vec<u8>) -> Result<(), png::EncodingError> {
        let side = |cells: usize| u32::try_from(cells).unwrap_or(u32::MAX);
        let rows = self.cells.len() / self.columns.max(1);
        let mut encoder = png::Encoder::new(file, side(self.columns), side(rows));
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .set_palette(self.inks.iter().flat_map(|(Colour(r, g, b), _)| [*r, *g, *b]).collect::<Vec<_>>());
        if self.inks.iter().any(|(_, alpha)| *alpha < u8::MAX) {
            encoder.set_trns(self.inks.iter().map(|(_, alpha)| *alpha).collect::<Vec<_>>());
        }
        // Places in a palette have no gradients that a filter could predict.
        encoder.set_filter(png::Filter::NoFilter);
        encoder.set_compression(png::Compression::High);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.cells)?;
        writer.finish()
    }
}

/// Bytes in the letters of RFC 4648, padded.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at > three.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::colour::{BLUE, ORANGE};
    use super::*;

    #[test]
    fn letters_are_those_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_picture_comes_back() {
        let cells = [0, 1, 1, 0, 0, 1];
        let picture = Picture { columns: 3, cells: &cells, inks: &[(BLUE, 255), (ORANGE, 0)] };
        let mut file = Vec::new();
        picture.write(&mut file).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut read = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut read).unwrap();
        assert_eq!(read, cells);
        let info = reader.info();
        assert_eq!((info.width, info.height), (3, 2));
        assert_eq!(info.palette.as_deref().unwrap()[..3], [BLUE.0, BLUE.1, BLUE.2]);
        assert_eq!(info.trns.as_deref().unwrap(), [255, 0]);
    }

    #[test]
    fn a_picture_without_cells_is_an_error() {
        assert!(matches!(
            Picture { columns: 0, cells: &[], inks: &[] }.data_uri(),
            Err(Error::Picture { .. })
        ));
    }
}

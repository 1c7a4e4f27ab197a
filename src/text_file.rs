//! Files that users wrote, with whatever editor and shell: PowerShell, for one, begins files with a byte order mark, and `>` there
//! writes UTF-16 (aws/aws-cli#3216, Azure/azure-xplat-cli#1966).

use std::io;
use std::path::Path;

/// The text of a file in UTF-8, or in UTF-16 with a byte order mark; without the mark.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    decode(std::fs::read(path)?)
}

/// As [`read`], of a text's bytes.
pub(crate) fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, format!("it is not {what} text"));
    let utf16 = |unit: fn([u8; 2]) -> u16| {
        let pairs = bytes[2..].chunks(2);
        let units: Option<Vec<u16>> = pairs.map(|pair| Some(unit(pair.try_into().ok()?))).collect();
        String::from_utf16(&units.ok_or_else(|| invalid("UTF-16"))?).map_err(|_| invalid("UTF-16"))
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => {
            let text = String::from_utf8(bytes).map_err(|_| invalid("UTF-8"))?;
            Ok(without_mark(&text).to_owned())
        }
    }
}

/// A text without its byte order mark.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_with_and_without_a_byte_order_mark() {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| "\u{feff}{\"é\"}".encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let files = ["{\"é\"}".into(), "\u{feff}{\"é\"}".into(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)];
        for bytes in files {
            assert_eq!(decode(bytes.clone()).unwrap(), "{\"é\"}", "{bytes:?}");
        }
        for bytes in [&b"\xff\xfe{"[..], b"\xff\xfe\x00\xd8", b"caf\xe9"] {
            assert_eq!(decode(bytes.into()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}

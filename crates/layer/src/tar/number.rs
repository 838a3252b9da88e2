//! Numbers in headers: octal text, or binary where octal has no room.

use super::ArchiveProblem;

/// A numeric field: octal digits between blanks and NULs, or with the first bit set a signed
/// big-endian number. An empty field is 0.
pub(super) fn field(name: &'static str, field: &[u8]) -> Result<i128, ArchiveProblem> {
    let value = if field[0] & 0x80 != 0 {
        Some(binary(field))
    } else {
        octal(field)
    };
    value.ok_or_else(|| impossible(name, field))
}

fn binary(field: &[u8]) -> i128 {
    // The first bit only marks the form; the second is the sign.
    let first = i128::from(field[0] & 0x3f) - i128::from(field[0] & 0x40);
    field[1..]
        .iter()
        .fold(first, |value, byte| value << 8 | i128::from(*byte))
}

fn octal(field: &[u8]) -> Option<i128> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field
        .iter()
        .position(|byte| !blank(byte))
        .unwrap_or(field.len());
    let end = field
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    field[start..end]
        .iter()
        .try_fold(0, |value, byte| match byte {
            b'0'..=b'7' => Some(value << 3 | i128::from(byte - b'0')),
            _ => None,
        })
}

/// Decimal digits, as extended headers have them.
pub(super) fn decimal(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 30 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0, |value, digit| value * 10 + i128::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// A value that must be from 0 to `largest`.
pub(super) fn bounded(
    name: &'static str,
    value: i128,
    largest: u64,
) -> Result<u64, ArchiveProblem> {
    match u64::try_from(value) {
        Ok(value) if value <= largest => Ok(value),
        _ => Err(impossible(name, value.to_string().as_bytes())),
    }
}

/// The problem of a field with this content.
pub(super) fn impossible(field: &'static str, value: &[u8]) -> ArchiveProblem {
    ArchiveProblem::Number {
        field,
        value: value.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_is_read_between_blanks_and_without_terminator() {
        for (text, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"644\0\0\0\0\0", 0o644),
            (b"77777777", 0o7777_7777),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
        ] {
            assert_eq!(field("mode", text), Ok(value), "{}", text.escape_ascii());
        }
        for text in [
            &b"0000648\0"[..],
            b"-000001\0",
            b"0x10\0\0\0\0",
            b"1 2\0\0\0\0\0",
        ] {
            assert!(field("mode", text).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn binary_has_a_sign() {
        assert_eq!(field("mtime", b"\x80\0\0\0\0\0\0\0\0\0\x01\x02"), Ok(258));
        assert_eq!(
            field("mtime", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"),
            Ok(-2)
        );
        assert_eq!(field("size", b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), Ok(1 << 63));
        assert_eq!(
            field("uid", b"\x80\0\0\0\xff\xff\xff\xff"),
            Ok((1 << 32) - 1)
        );
    }
}

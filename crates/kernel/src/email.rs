use std::{fmt, str::FromStr};

/// Longest address that SMTP carries, in bytes. (RFC 5321 §4.5.3.1.3)
const MAX_ADDRESS: usize = 254;
/// Longest local part, in bytes. (RFC 5321 §4.5.3.1.1)
const MAX_LOCAL_PART: usize = 64;
/// Longest label of a domain, in bytes. (RFC 1035 §2.3.4)
const MAX_LABEL: usize = 63;

/// The text is not an address that a mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Enter a valid e-mail address.")]
pub struct EmailError;

/// An e-mail address that a mail can be sent to, in lower case.
///
/// The local part is a dot-atom, and the domain has at least two labels; both are ASCII. Quoted
/// local parts, comments and address literals are legal in a mail header, but no user has one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Normalizes an address for storage and comparison, whether or not it is valid: an account of
    /// an earlier release may have an address that would be refused today.
    pub fn normalize(text: &str) -> String {
        text.trim().to_lowercase()
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or("", |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        // checked before lower-casing, which turns the Kelvin sign into an ASCII letter
        if !text.is_ascii() {
            return Err(EmailError);
        }
        let text = Self::normalize(text);
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        if text.len() <= MAX_ADDRESS && is_local_part(local) && is_domain(domain) {
            Ok(Self(text))
        } else {
            Err(EmailError)
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hides the address: personal data must not get into logs by accident.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// Whether the text is a dot-atom. (RFC 5322 §3.2.3)
fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| {
        let is_atext = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
        !atom.is_empty() && atom.bytes().all(is_atext)
    };
    text.len() <= MAX_LOCAL_PART && text.split('.').all(is_atom)
}

/// Whether the text has two labels or more, and the last one is not a number: otherwise the domain
/// would be an IPv4 address.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|c| c.is_ascii_digit());
    let last = text.rsplit_once('.').map(|(_, last)| last);
    last.is_some_and(|last| !is_number(last)) && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_addresses_are_trimmed_and_lower_cased() {
        let longest = format!("{}@{}.de", "x".repeat(64), "y".repeat(63));
        for (text, stored) in [
            (" Ada@Example.COM\t", "ada@example.com"),
            ("a@b.de", "a@b.de"),
            (
                "first.last+tag@sub.shop.example",
                "first.last+tag@sub.shop.example",
            ),
            (
                "o'brien@xn--mnchen-3ya.example",
                "o'brien@xn--mnchen-3ya.example",
            ),
            ("1@2.c3", "1@2.c3"),
            (&longest, &longest),
        ] {
            let email: Email = text.parse().unwrap();
            assert_eq!(email.as_str(), stored, "{text}");
        }
        let ada: Email = "ada@example.com".parse().unwrap();
        assert_eq!(ada.local_part(), "ada");
        assert!(!format!("{ada:?}").contains("ada"));
    }

    #[test]
    fn addresses_that_cannot_be_mailed_are_refused() {
        let long_local = format!("{}@b.de", "x".repeat(65));
        let long_label = format!("a@{}.de", "y".repeat(64));
        let long_domain = format!("a@{}.de", ["y"; 130].join("."));
        let long = format!(
            "{}@{}.de",
            "x".repeat(64),
            vec!["y".repeat(62); 3].join(".")
        );
        assert_eq!(long.len(), 64 + 1 + 62 * 3 + 2 + 3);
        for text in [
            "",
            "@",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@b@c.de",
            "a@b.de\nBcc: x@y.z",
            "<a@b.de>",
            "..x@y.zz",
            ".x@y.zz",
            "x.@y.zz",
            "a..b@y.zz",
            "a@-.-",
            "a@-b.de",
            "a@b-.de",
            "a@b.de-",
            "a(c)@x.y",
            "a:@x.y",
            "a\\@x.y",
            "a@x..y",
            "a@.x.y",
            "a@x.y.",
            "\"a\"@x.y",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@x_y.de",
            "ä@x.de",
            "a@müller.de",
            "a\u{0}@x.de",
            "a\u{200b}@x.de",
            "a\u{202e}@x.de",
            "a,b@x.de",
            "a;b@x.de",
            "a@x.de,b@x.de",
            "\u{212a}@x.de",
            &long_local,
            &long_label,
            &long_domain,
            &long,
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
    }
}

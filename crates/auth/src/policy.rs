//! Which passwords are accepted: long enough, and not among an attacker's first guesses.

use kernel::Email;
use unicode_normalization::UnicodeNormalization;

use crate::password::PasswordError;

/// The most common passwords of at least eight characters; one per line, comments with `#`.
const COMMON: &str = include_str!("common_passwords.txt");
/// A password of fewer distinct characters than this is a pattern.
const MIN_DISTINCT: usize = 4;
/// Characters that must remain of a password once its owner's name or address is removed.
const MIN_REMAINDER: usize = 4;

/// A password that passed the policy.
pub(crate) struct NewPassword(String);

impl NewPassword {
    /// Checks a new password for the account of this owner. Only the password as a whole can be
    /// refused: a good password needs no digit, capital or special character.
    ///
    /// # Errors
    /// [`PasswordError`]: too short, too long, common, or similar to its owner's name or address.
    pub(crate) fn new(
        password: &str,
        email: Option<&Email>,
        name: &str,
    ) -> Result<Self, PasswordError> {
        let password = normalize(password);
        if !(8..=128).contains(&password.chars().count()) {
            return Err(PasswordError::Length);
        }
        let folded = password.to_lowercase();
        if is_pattern(&folded) || is_common(&folded) {
            return Err(PasswordError::Common);
        }
        if is_personal(&folded, email, name) {
            return Err(PasswordError::Personal);
        }
        Ok(Self(password))
    }

    pub(crate) fn into_inner(self) -> String {
        self.0
    }
}

/// Composes characters that keyboards and systems encode in several ways. (NIST SP 800-63B
/// §3.1.1.2)
pub(crate) fn normalize(password: &str) -> String {
    password.nfc().collect()
}

/// Whether the password is on the list, as it is or with digits and signs appended.
fn is_common(folded: &str) -> bool {
    let without_signs = folded.trim_end_matches(|c: char| !c.is_alphanumeric());
    let without_digits = folded.trim_end_matches(|c: char| !c.is_alphabetic());
    COMMON
        .lines()
        .filter(|line| !line.starts_with("# "))
        .any(|line| [folded, without_signs, without_digits].contains(&line))
}

/// Whether the password repeats a few characters or is a sequence of consecutive ones.
fn is_pattern(folded: &str) -> bool {
    let mut distinct: Vec<char> = folded.chars().collect();
    let steps = |by: i64| {
        let codes = folded.chars().map(|c| i64::from(u32::from(c)));
        codes.clone().zip(codes.skip(1)).all(|(a, b)| b - a == by)
    };
    let is_sequence = steps(1) || steps(-1);
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len() < MIN_DISTINCT || is_sequence
}

/// Whether the password is the owner's name or address with little else.
fn is_personal(folded: &str, email: Option<&Email>, name: &str) -> bool {
    let squeeze = |text: &str| -> String {
        let folded = normalize(text).to_lowercase();
        folded.chars().filter(|c| c.is_alphanumeric()).collect()
    };
    let password = squeeze(folded);
    let words = [
        squeeze(email.map_or("", Email::as_str)),
        squeeze(email.map_or("", Email::local_part)),
        squeeze(name),
    ];
    words
        .iter()
        .filter(|word| !word.is_empty() && password.contains(*word))
        .any(|word| password.replace(word, "").chars().count() < MIN_REMAINDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), PasswordError> {
        let ada: Email = "ada.byron@shop.example".parse().unwrap();
        NewPassword::new(password, Some(&ada), "Ada Lovelace").map(drop)
    }

    #[test]
    fn common_passwords_and_patterns_are_refused() {
        for password in [
            "password",
            "PassWord",
            "Password1!",
            "password2026",
            "12345678",
            "12345678!",
            "qwertyui",
            "qwertyuiop",
            "iloveyou",
            "        ",
            "aaaaaaaa",
            "abababab",
            "abcdefgh",
            "87654321",
            "😀😁😂😃😄😅😆😇",
        ] {
            assert_eq!(check(password), Err(PasswordError::Common), "{password:?}");
        }
    }

    #[test]
    fn an_owners_name_or_address_is_refused() {
        for password in [
            "ada.byron@shop.example",
            "Ada.Byron@Shop.Example!1",
            "adabyron",
            "ada.byron1",
            "Ada Lovelace",
            "adalovelace99",
        ] {
            assert_eq!(
                check(password),
                Err(PasswordError::Personal),
                "{password:?}"
            );
        }
        assert_eq!(check("adalovelace invents programs"), Ok(()));
    }

    #[test]
    fn long_passwords_of_any_characters_are_taken() {
        for password in [
            "correct horse",
            "correct horse battery",
            "tro0b4dor",
            "zero\u{0}byte",
            "ünïcödé!",
            "馬電池正確訂書釘一",
        ] {
            assert_eq!(check(password), Ok(()), "{password:?}");
        }
        for length in [0, 7, 129] {
            let password: String = "abzq".chars().cycle().take(length).collect();
            assert_eq!(check(&password), Err(PasswordError::Length), "{length}");
        }
    }

    #[test]
    fn the_password_list_is_lower_case_and_of_valid_length() {
        let lines: Vec<_> = COMMON
            .lines()
            .filter(|line| !line.starts_with("# "))
            .collect();
        assert!(lines.len() > 3_000, "{}", lines.len());
        for line in lines {
            assert_eq!(line, line.to_lowercase());
            assert!((8..=128).contains(&line.chars().count()), "{line}");
        }
    }
}

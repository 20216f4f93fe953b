//! Check digit rules: each computes the check character that belongs to a body.
//!
//! Enters: the body, upper-case ASCII, check character excluded. Leaves: the check character, or nothing when the body
//! holds a character the rule cannot count. Always true: no rule knows a carrier; positions are the shape's matter.
//!
//! | rule | computation |
//! |---|---|
//! | `mod10` | weights even, odd from the left, whole products; letters count (ASCII − 3) mod 10; c = −Σ mod 10 |
//! | `luhn` | from the right every other digit doubled, less 9 above 9; c = −Σ mod 10 |
//! | `mod7` | the body as one integer mod 7 |
//! | `mod11` | Σ digit × weight, weights repeat; c = (Σ mod 11) mod 10 |
//! | `s10` | weights 8 6 4 2 3 5 9 7; c = 11 − Σ mod 11, where 10 → 0 and 11 → 5 |
//! | `mod37_36` | ISO 7064, letters count 10–35, c may be a letter |
//! | `mod11_complement` | the body as one integer mod 11; c = 11 − r, where 11 → 0 and 10 → X |

/// A rule with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Mod10 { even: u8, odd: u8 },
    Luhn,
    Mod7,
    Mod11 { weights: Vec<u8> },
    S10,
    Mod37,
    Mod11Complement,
}

impl Rule {
    /// The rule of a name in a file, or why there is none.
    pub(crate) fn parse(name: &str, weights: &[u8]) -> Result<Rule, String> {
        let rule = match (name, weights) {
            ("mod10", [even, odd]) => return Ok(Rule::Mod10 { even: *even, odd: *odd }),
            ("mod10", _) => return Err("mod10 takes two weights: even, odd".to_owned()),
            ("mod11", []) => return Err("mod11 takes at least one weight".to_owned()),
            ("mod11", _) => return Ok(Rule::Mod11 { weights: weights.to_vec() }),
            ("luhn", _) => Rule::Luhn,
            ("mod7", _) => Rule::Mod7,
            ("s10", _) => Rule::S10,
            ("mod37_36", _) => Rule::Mod37,
            ("mod11_complement", _) => Rule::Mod11Complement,
            _ => {
                let known = "mod10, luhn, mod7, mod11, s10, mod37_36, mod11_complement";
                return Err(format!("no check digit rule is called {name:?}; there are {known}"));
            }
        };
        if weights.is_empty() { Ok(rule) } else { Err(format!("{name} takes no weights")) }
    }

    /// The check character of `body`.
    pub(crate) fn check_character(&self, body: &[u8]) -> Option<u8> {
        match self {
            Rule::Mod10 { even, odd } => {
                let mut sum = 0;
                for (i, b) in body.iter().enumerate() {
                    let value = match b {
                        b'0'..=b'9' => u32::from(b - b'0'),
                        b'A'..=b'Z' => u32::from(b - 3) % 10,
                        _ => return None,
                    };
                    sum += value * u32::from(if i % 2 == 0 { *even } else { *odd });
                }
                digit((10 - sum % 10) % 10)
            }
            Rule::Luhn => {
                let mut sum = 0;
                for (i, b) in body.iter().rev().enumerate() {
                    let value = value_of_digit(*b)?;
                    let product = if i % 2 == 0 { value * 2 } else { value };
                    sum += if product > 9 { product - 9 } else { product };
                }
                digit((10 - sum % 10) % 10)
            }
            Rule::Mod7 => digit(remainder(body, 7)?),
            Rule::Mod11 { weights } => digit(weighted(body, weights)? % 11 % 10),
            Rule::S10 => digit(match 11 - weighted(body, &[8, 6, 4, 2, 3, 5, 9, 7])? % 11 {
                10 => 0,
                11 => 5,
                c => c,
            }),
            Rule::Mod37 => {
                let mut s = 36;
                for b in body {
                    let value = match b {
                        b'0'..=b'9' => u32::from(b - b'0'),
                        b'A'..=b'Z' => u32::from(b - b'A') + 10,
                        _ => return None,
                    };
                    s += value;
                    s = 2 * if s > 36 { s - 36 } else { s };
                    s = if s > 36 { s - 37 } else { s };
                }
                b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".get((37 - s) as usize % 36).copied()
            }
            Rule::Mod11Complement => match 11 - remainder(body, 11)? {
                10 => Some(b'X'),
                11 => Some(b'0'),
                c => digit(c),
            },
        }
    }
}

fn value_of_digit(b: u8) -> Option<u32> {
    char::from(b).to_digit(10)
}

fn digit(value: u32) -> Option<u8> {
    b"0123456789".get(value as usize).copied()
}

fn remainder(body: &[u8], modulus: u32) -> Option<u32> {
    body.iter().try_fold(0, |r, b| Some((r * 10 + value_of_digit(*b)?) % modulus))
}

fn weighted(body: &[u8], weights: &[u8]) -> Option<u32> {
    body.iter()
        .zip(weights.iter().cycle())
        .try_fold(0, |sum, (b, weight)| Some(sum + value_of_digit(*b)? * u32::from(*weight)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_carry_the_check_character_of_their_rule() {
        let mod10 = |even, odd| Rule::Mod10 { even, odd };
        for (rule, number) in [
            (mod10(1, 2), "5R89390357567127"),
            (mod10(3, 1), "106141411928374657"),
            (Rule::Luhn, "79927398713"),
            (Rule::Mod11Complement, "3403979"),
            (Rule::Mod11Complement, "561881X"),
            (Rule::Mod11Complement, "0035420"),
            (Rule::S10, "473124829"),
            (Rule::Mod37, "A12425GABC1234002M"),
            (Rule::Mod7, "12345675"),
        ] {
            let (check, body) = number.as_bytes().split_last().expect("not empty");
            assert_eq!(rule.check_character(body).map(char::from), Some(char::from(*check)), "{number}");
        }
    }

    #[test]
    fn a_body_the_rule_cannot_count_has_no_check_character() {
        assert_eq!(Rule::Luhn.check_character(b"12A"), None);
        assert_eq!(Rule::Mod7.check_character(b"-1"), None);
        assert_eq!(Rule::Mod37.check_character(b"a"), None);
    }
}

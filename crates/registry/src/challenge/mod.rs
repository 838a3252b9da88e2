//! Challenges: what a registry wants to hear (`WWW-Authenticate`, RFC 9110 §11.6.1).
//!
//! A header may hold several challenges and a response several headers; schemes and parameter names
//! come in any case, values quoted or not. The ambiguity of the comma (next parameter, or next challenge?)
//! is resolved by what follows: `name =` is a parameter, anything else a scheme.

/// A scheme with its parameters, in the order they came.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Challenge {
    /// As the server wrote it.
    pub(crate) scheme: String,
    /// Names in lower case.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Value of the parameter `name`.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

/// The challenge that is answered, of all that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// A token from `realm`, which is asked with the other parameters.
    Bearer {
        /// Address of the token server.
        realm: String,
        /// Everything else the challenge said.
        parameters: Vec<(String, String)>,
    },
    /// Name and password with each request.
    Basic,
}

impl Demand {
    /// The same for a token that is good for all of `scopes`, if there are any.
    pub(crate) fn for_scopes(self, scopes: &[String]) -> Self {
        match self {
            Self::Bearer { realm, parameters } if !scopes.is_empty() => {
                let others = parameters.into_iter().filter(|(name, _)| name != "scope");
                let wanted = scopes
                    .iter()
                    .map(|scope| ("scope".to_owned(), scope.clone()));
                Self::Bearer {
                    realm,
                    parameters: others.chain(wanted).collect(),
                }
            }
            other => other,
        }
    }
}

/// Picks what we can answer: Bearer with an address, else Basic. The error names the schemes offered.
pub(crate) fn choose(challenges: &[Challenge]) -> Result<Demand, String> {
    let bearer = challenges.iter().filter(|challenge| challenge.is("Bearer"));
    let bearer = bearer.filter_map(|challenge| Some((challenge, challenge.parameter("realm")?)));
    if let Some((challenge, realm)) = bearer.into_iter().next() {
        let others = challenge
            .parameters
            .iter()
            .filter(|(name, _)| name != "realm" && name != "error");
        return Ok(Demand::Bearer {
            realm: realm.to_owned(),
            parameters: others.cloned().collect(),
        });
    }
    if challenges.iter().any(|challenge| challenge.is("Basic")) {
        return Ok(Demand::Basic);
    }
    let schemes: Vec<_> = challenges
        .iter()
        .map(|challenge| challenge.scheme.as_str())
        .collect();
    Err(if schemes.is_empty() {
        "no challenge".to_owned()
    } else {
        schemes.join(", ")
    })
}

/// Reads all headers of one response. What makes no sense is skipped, never an error.
pub(crate) fn parse<'h>(headers: impl IntoIterator<Item = &'h str>) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for header in headers {
        let mut rest = header;
        let mut current: Option<Challenge> = None;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let (word, after) = split_word(rest);
            if word.is_empty() {
                match rest.chars().next() {
                    Some(odd) => rest = &rest[odd.len_utf8()..],
                    None => break,
                }
                continue;
            }
            let value = after.trim_start_matches([' ', '\t']).strip_prefix('=');
            match (value, &mut current) {
                (Some(value), Some(challenge)) => {
                    let (value, after) = split_value(value.trim_start_matches([' ', '\t']));
                    challenge
                        .parameters
                        .push((word.to_ascii_lowercase(), value));
                    rest = after;
                }
                _ => {
                    challenges.extend(current.take());
                    current = Some(Challenge {
                        scheme: word.to_owned(),
                        parameters: Vec::new(),
                    });
                    rest = after;
                }
            }
        }
        challenges.extend(current);
    }
    challenges
}

fn split_word(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

/// A quoted string without quotes and escapes, or everything up to a comma or blank.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([',', ' ', '\t']).unwrap_or(text.len()));
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests;

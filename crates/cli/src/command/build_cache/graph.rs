//! The states as a graph: each has one state before it, and all begin at the root.
//!
//! Drawn as `git log --graph` does: newest first, no state before those that come of it, and the states of one
//! branch together.

use std::collections::HashMap;
use std::fmt::Write as _;

use ch_builder::first_state;
use ch_storage::{ImageOrigin, ImageRecord, StateId, StateRecord, Storage};

use crate::command::size;
use crate::environment::{self, Environment};
use crate::failure::{Failure, advised};
use crate::terminal;

/// Columns where nobody says how many there are.
const COLUMNS: usize = 77;

/// A state.
#[derive(Debug)]
pub(super) struct Node {
    /// None is the root.
    pub(super) id: Option<StateId>,
    /// Place of the state before it among the nodes.
    pub(super) parent: Option<usize>,
    /// The images that it is, in file form.
    pub(super) names: Vec<String>,
    pub(super) instruction: String,
    /// Size of its last layer, if it made one.
    size: u64,
}

/// All states, newest first and the root last.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// Number of named images.
    pub(super) images: usize,
}

/// The graph of `storage`; only the root without one.
pub(super) fn read(storage: Option<&Storage>) -> Result<Graph, Failure> {
    let Some(storage) = storage else {
        return Ok(Graph::of(Vec::new(), &[], &HashMap::new()));
    };
    let states = storage.states().list()?;
    let images = storage.images().list().map_err(advised)?.images;
    let mut sizes = HashMap::new();
    for layer in states.iter().filter_map(|(_, record)| record.layers.last()) {
        if !sizes.contains_key(layer) {
            let size = storage.layers().size(layer)?;
            sizes.insert(layer.clone(), size.unwrap_or(0));
        }
    }
    Ok(Graph::of(states, &images, &sizes))
}

impl Graph {
    /// Images that no build has used or made yet are states, too.
    fn of(
        mut states: Vec<(StateId, StateRecord)>,
        images: &[ImageRecord],
        sizes: &HashMap<ch_storage::LayerId, u64>,
    ) -> Self {
        let mut names: HashMap<StateId, Vec<String>> = HashMap::new();
        for image in images {
            let state = image.state.clone().unwrap_or_else(|| first_state(image));
            if !states.iter().any(|(id, _)| *id == state) {
                states.push((state.clone(), state_of_image(image)));
            }
            names.entry(state).or_default().push(image.name.file_form());
        }
        // Equal times are as good as any order, but it must be one.
        states.sort_by(|(one_id, one), (other_id, other)| {
            (one.created, one_id).cmp(&(other.created, other_id))
        });
        let order = preorder(&states);
        let last = order.len();
        let mut places: HashMap<&StateId, usize> = HashMap::new();
        for (at, index) in order.iter().rev().enumerate() {
            places.insert(&states[*index].0, at);
        }
        let nodes = order.iter().rev().map(|index| {
            let (id, record) = &states[*index];
            let parent = record.parent.as_ref().and_then(|it| places.get(it));
            let made = record.layers.last().and_then(|layer| sizes.get(layer));
            Node {
                id: Some(id.clone()),
                parent: Some(parent.copied().unwrap_or(last)),
                names: names.remove(id).unwrap_or_default(),
                instruction: record.instruction.clone(),
                size: made.copied().unwrap_or(0),
            }
        });
        let mut nodes: Vec<Node> = nodes.collect();
        nodes.push(Node {
            id: None,
            parent: None,
            names: vec!["root".to_owned()],
            instruction: "ROOT".to_owned(),
            size: 0,
        });
        Self {
            nodes,
            images: images.len(),
        }
    }

    /// The tree, and a blank line; `detailed` with state IDs and sizes.
    pub(super) fn draw(&self, width: usize, detailed: bool) -> String {
        let mut text = String::new();
        // For each column, the node that comes next in it.
        let mut columns: Vec<usize> = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if columns.last() != Some(&at) {
                columns.push(at);
            }
            let column = columns.len() - 1;
            let mut line = format!(" {}*  ", "| ".repeat(column));
            line.push_str(&node.label(detailed));
            let line: String = line.chars().take(width).collect();
            let _ = writeln!(text, "{line}");
            let Some(parent) = node.parent else { continue };
            columns[column] = parent;
            if column > 0 && columns[column - 1] == parent {
                columns.pop();
                let _ = writeln!(text, " {}|/", "| ".repeat(column - 1));
            }
        }
        text.push('\n');
        text
    }
}

impl Node {
    /// `(names) INSTRUCTION`.
    pub(super) fn label(&self, detailed: bool) -> String {
        let mut label = String::new();
        if let (true, Some(id)) = (detailed, &self.id) {
            let _ = write!(label, "{} {} ", id.short(), size::binary(self.size));
        }
        if !self.names.is_empty() {
            let _ = write!(label, "({}) ", self.names.join(","));
        }
        let words: Vec<&str> = self.instruction.split_whitespace().collect();
        label.push_str(&terminal::escaped(&words.join(" ")));
        label
    }
}

/// What an image says as a state.
fn state_of_image(image: &ImageRecord) -> StateRecord {
    let verb = match image.origin {
        ImageOrigin::Pull => "PULL",
        ImageOrigin::Import => "IMPORT",
        ImageOrigin::Build => "BUILD",
        ImageOrigin::Modify => "MODIFY",
        ImageOrigin::Tag => "TAG",
    };
    StateRecord {
        parent: None,
        instruction: format!("{verb} {}", image.name),
        layers: image.layer_ids(),
        created: image.created,
    }
}

/// Places in `states`, which are sorted by age: each after the one before it, the oldest branch first.
fn preorder(states: &[(StateId, StateRecord)]) -> Vec<usize> {
    let places: HashMap<&StateId, usize> = states
        .iter()
        .enumerate()
        .map(|(at, (id, _))| (id, at))
        .collect();
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (at, (_, record)) in states.iter().enumerate() {
        let parent = record.parent.as_ref().and_then(|id| places.get(id));
        children.entry(parent.copied()).or_default().push(at);
    }
    let mut order = Vec::new();
    let mut todo: Vec<usize> = children.remove(&None).unwrap_or_default();
    todo.reverse();
    while let Some(at) = todo.pop() {
        order.push(at);
        let below = children.remove(&Some(at)).unwrap_or_default();
        todo.extend(below.into_iter().rev());
    }
    order
}

/// Columns of the terminal, or what is usual without one.
pub(super) fn width(environment: &Environment) -> usize {
    let columns = environment.text(environment::COLUMNS);
    let columns = columns.and_then(|text| text.parse().ok());
    columns.filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn states(rows: &[(&str, Option<&str>)]) -> Vec<(StateId, StateRecord)> {
        let id = |name: &str| StateId::new(&ch_oci::Digest::of(name.as_bytes()));
        let rows = rows.iter().enumerate();
        rows.map(|(age, (name, parent))| {
            let record = StateRecord {
                parent: parent.map(id),
                instruction: format!("RUN echo\n {name}"),
                layers: Vec::new(),
                created: Timestamp::from_second(age.try_into().unwrap()).unwrap(),
            };
            (id(name), record)
        })
        .collect()
    }

    fn image(name: &str, states: &[(StateId, StateRecord)], at: usize) -> ImageRecord {
        ImageRecord {
            name: name.parse().unwrap(),
            origin: ImageOrigin::Build,
            identity: name.to_owned(),
            config: Vec::new(),
            manifest: None,
            index: None,
            source: None,
            mirror: None,
            state: Some(states[at].0.clone()),
            layers: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
            incomplete: false,
        }
    }

    #[test]
    fn branches_are_drawn_as_git_does() {
        let states = states(&[
            ("foo", None),
            ("bar", Some("foo")),
            ("qux", Some("foo")),
            ("deep", Some("bar")),
            ("side", Some("bar")),
        ]);
        let images = [image("a/b:1", &states, 3), image("c", &states, 2)];
        let graph = Graph::of(states, &images, &HashMap::new());
        let expected = " *  (c) RUN echo qux\n\
            \x20| *  RUN echo side\n\
            \x20| | *  (a%b+1) RUN echo deep\n\
            \x20| |/\n\
            \x20| *  RUN echo bar\n\
            \x20|/\n\
            \x20*  RUN echo foo\n\
            \x20*  (root) ROOT\n\n";
        assert_eq!(graph.draw(COLUMNS, false), expected);
        assert!(graph.draw(9, false).starts_with(" *  (c) R\n"));
    }

    #[test]
    fn image_that_no_build_knows_is_a_state_and_the_root_is_always_there() {
        let mut pulled = image("debian", &states(&[("x", None)]), 0);
        pulled.state = None;
        pulled.origin = ImageOrigin::Pull;
        let graph = Graph::of(Vec::new(), &[pulled], &HashMap::new());
        let expected = " *  (debian) PULL debian\n *  (root) ROOT\n\n";
        assert_eq!(graph.draw(COLUMNS, false), expected);
        let empty = Graph::of(Vec::new(), &[], &HashMap::new());
        assert_eq!(empty.draw(COLUMNS, false), " *  (root) ROOT\n\n");
    }
}

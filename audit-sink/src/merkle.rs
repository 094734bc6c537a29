//! RFC 6962: the hashes, and a tree that only grows, kept as tiles of 256 hashes.
//!
//! Tile level 0 holds leaf hashes; each hash of level `t + 1` is the root of one full tile of level
//! `t`. The tree in memory is the unfinished tile of every level, which is all that appending needs.

use sha2::{Digest as _, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// How many hashes a full tile has.
pub const TILE: usize = 256;

/// The hash of a leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(leaf);
    hasher.finalize().into()
}

/// The hash of an inner node.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root over hashes that stand side by side; `None` without any.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        many => {
            let split = split(many.len() as u64) as usize;
            let (left, right) = many.split_at(split);
            Some(node_hash(&fold(left)?, &fold(right)?))
        }
    }
}

/// The largest power of two below `n`; `n` is at least 2.
pub(crate) const fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Hashes that were appended to one tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The tile's level.
    pub level: u8,
    /// The tile's number within its level.
    pub n: u64,
    /// How many hashes the tile has with these.
    pub width: u16,
    /// The hashes that are new, in order.
    pub hashes: Vec<Hash>,
}

/// A tree that only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    unfinished: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree of `size` leaves whose unfinished tiles are these, level 0 first.
    ///
    /// # Errors
    ///
    /// When a tile does not have as many hashes as the size says.
    pub fn restore(size: u64, unfinished: Vec<Vec<Hash>>) -> Result<Self, String> {
        for (level, hashes) in unfinished.iter().enumerate() {
            let expected = unfinished_width(size, level as u32);
            if hashes.len() != expected {
                return Err(format!(
                    "the last tile of level {level} has {} hashes instead of {expected}",
                    hashes.len()
                ));
            }
        }
        if unfinished.len() != levels(size) {
            return Err(format!("a tree of {size} leaves needs other tiles"));
        }
        Ok(Self { size, unfinished })
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; what changed in the tiles is added to `chunks`.
    pub fn append(&mut self, leaf: Hash, chunks: &mut Vec<Chunk>) {
        self.append_at(0, leaf, chunks);
        self.size += 1;
    }

    fn append_at(&mut self, level: usize, hash: Hash, chunks: &mut Vec<Chunk>) {
        if self.unfinished.len() == level {
            self.unfinished.push(Vec::with_capacity(TILE));
        }
        let n = self.size >> (8 * (level + 1));
        let tile = &mut self.unfinished[level];
        tile.push(hash);
        let width = tile.len();
        note(chunks, level as u8, n, width as u16, hash);
        if width == TILE {
            let root = fold(tile).expect("a full tile has hashes");
            tile.clear();
            self.append_at(level + 1, root, chunks);
        }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        // From the right: what is lower hangs below what is higher.
        let mut root: Option<Hash> = None;
        for tile in &self.unfinished {
            for subtree in perfect_subtrees(tile).iter().rev() {
                root = Some(root.map_or(*subtree, |right| node_hash(subtree, &right)));
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// How many levels of tiles a tree of `size` leaves has, counting an empty one on top of full ones.
pub(crate) const fn levels(size: u64) -> usize {
    let mut levels = 0;
    while levels < 8 && size >> (8 * levels) > 0 {
        levels += 1;
    }
    levels
}

/// How many hashes the unfinished tile of `level` has.
pub(crate) const fn unfinished_width(size: u64, level: u32) -> usize {
    ((size >> (8 * level)) & 0xff) as usize
}

fn perfect_subtrees(tile: &[Hash]) -> Vec<Hash> {
    let mut roots = Vec::new();
    let mut rest = tile;
    while !rest.is_empty() {
        let width = 1 << rest.len().ilog2();
        let (head, tail) = rest.split_at(width);
        roots.extend(fold(head));
        rest = tail;
    }
    roots
}

fn note(chunks: &mut Vec<Chunk>, level: u8, n: u64, width: u16, hash: Hash) {
    let open = chunks
        .iter_mut()
        .rev()
        .find(|chunk| chunk.level == level && chunk.n == n);
    match open {
        Some(chunk) => {
            chunk.width = width;
            chunk.hashes.push(hash);
        }
        None => chunks.push(Chunk {
            level,
            n,
            width,
            hashes: vec![hash],
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(crate) mod tests {
    use super::*;

    /// The definition, word for word: MTH of RFC 6962, section 2.1.
    pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => empty_root(),
            1 => leaves[0],
            n => {
                let mut k = 1;
                while k * 2 < n {
                    k *= 2;
                }
                node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
            }
        }
    }

    pub(crate) fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    #[test]
    fn known_roots_of_rfc_6962_test_vectors() {
        // The vectors of certificate-transparency-go, `testdata`.
        let inputs: [&[u8]; 8] = [
            b"",
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        let mut tree = Tree::default();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&tree.root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for input in inputs {
            tree.append(leaf_hash(input), &mut Vec::new());
        }
        assert_eq!(
            data_encoding::HEXLOWER.encode(&tree.root()),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
    }

    #[test]
    fn grown_tree_has_the_naive_root_at_every_size() {
        let all = leaves(700);
        let mut tree = Tree::default();
        for (size, leaf) in all.iter().enumerate() {
            if size < 70 || size % 97 == 0 || (250..260).contains(&size) {
                assert_eq!(tree.root(), naive_root(&all[..size]), "size {size}");
            }
            tree.append(*leaf, &mut Vec::new());
        }
        assert_eq!(tree.root(), naive_root(&all));
    }

    #[test]
    fn tree_restored_from_its_tiles_goes_on_alike() {
        let all = leaves(66_000);
        let mut tree = Tree::default();
        for (size, leaf) in all.iter().enumerate() {
            if [0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_537].contains(&size) {
                let restored = Tree::restore(tree.size(), tree.unfinished.clone()).unwrap();
                assert_eq!(restored, tree, "size {size}");
            }
            tree.append(*leaf, &mut Vec::new());
        }
        assert_eq!(tree.root(), naive_root(&all));
        assert!(Tree::restore(66_001, tree.unfinished).is_err());
    }

    #[test]
    fn chunks_put_together_are_the_leaves() {
        let all = leaves(1_000);
        let mut tree = Tree::default();
        let mut level_0 = Vec::new();
        for batch in all.chunks(33) {
            let mut chunks = Vec::new();
            for leaf in batch {
                tree.append(*leaf, &mut chunks);
            }
            for chunk in chunks.into_iter().filter(|chunk| chunk.level == 0) {
                assert_eq!(
                    (chunk.n * 256 + u64::from(chunk.width)) as usize,
                    level_0.len() + chunk.hashes.len()
                );
                level_0.extend(chunk.hashes);
            }
        }
        assert_eq!(level_0, all);
    }
}

//! Whatever is on a shell's standard input: the pieces and what is pending are the input, however the reads fell.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opspilot::command::{Piece, Splitter};
use opspilot::domain::Dialect;

/// The pieces, and what is left.
fn split<'a>(dialect: Dialect, reads: impl Iterator<Item = &'a [u8]>) -> (Vec<Piece>, Vec<u8>) {
    let mut splitter = Splitter::new(dialect);
    let pieces = reads.flat_map(|read| splitter.feed(read)).collect();
    (pieces, splitter.into_pending())
}

fuzz_target!(|input: &[u8]| {
    for dialect in Dialect::ALL {
        let (pieces, pending) = split(*dialect, std::iter::once(input));
        assert_eq!(split(*dialect, input.chunks(1)), (pieces.clone(), pending.clone()));
        let bytes = pieces.iter().flat_map(|piece| piece.bytes().to_vec());
        assert!(bytes.chain(pending).eq(input.iter().copied()));
    }
});

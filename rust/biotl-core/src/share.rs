//! How work is shared among threads.

/// Items that a thread takes at least. With one thread in the pool it is all of them, and they stay on the thread that
/// asks: records read on several threads would otherwise wait for that one.
pub(crate) fn least(usual: usize) -> usize {
    if rayon::current_num_threads() == 1 { usize::MAX } else { usual }
}

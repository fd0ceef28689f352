//! Connected parts of pictures.

/// Sets of pixels that touch, also at corners, among those that are `lit`; each in the order of the
/// pixels that lead to it.
pub(super) fn components(width: usize, lit: &[bool]) -> Vec<Vec<usize>> {
    let mut left = lit.to_vec();
    let height = lit.len() / width;
    let mut found = Vec::new();
    for start in 0..lit.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let mut component = vec![start];
        let mut next = 0;
        while let Some(&pixel) = component.get(next) {
            let (row, column) = (pixel / width, pixel % width);
            for row in row.saturating_sub(1)..(row + 2).min(height) {
                for column in column.saturating_sub(1)..(column + 2).min(width) {
                    let neighbour = row * width + column;
                    if std::mem::take(&mut left[neighbour]) {
                        component.push(neighbour);
                    }
                }
            }
            next += 1;
        }
        found.push(component);
    }
    found
}

enum CompositionTarget {}

enum HTTPServerTarget {}

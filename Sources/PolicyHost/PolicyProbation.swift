/// Looks after a set that has just gone live: one that fails too often gives way to the one before.
struct PolicyProbation: Sendable {
    let before: PolicySet
    var count: Count

    struct Count: Sendable {
        /// The set has proved itself after so many decisions.
        let most: Int
        /// So many of them may fail.
        let mayFail: Int
        private var decisions = 0
        private var failures = 0
        private var first: String?

        init(_ terms: PolicyEngine.Probation) {
            most = terms.decisions
            mayFail = terms.failures
        }

        mutating func count(failure: String?) -> Outcome {
            decisions += 1
            if let failure {
                failures += 1
                first = first ?? failure
                if failures > mayFail {
                    return .failed("\(failures) of the first \(decisions) decisions failed, first: \(first ?? failure)")
                }
            }
            return decisions >= most ? .proved : .goesOn
        }
    }
    enum Outcome: Sendable { case goesOn, proved, failed(String) }
}

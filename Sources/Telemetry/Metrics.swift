import Synchronization
import Vocabulary

/// Every number that the process tells about itself, rendered as Prometheus text (format 0.0.4).
///
/// Counting takes one atomic step; only the first use of a label combination takes a lock. A family holds at most
/// `maxSeries` label combinations; what comes after counts under the label value `other`, so no caller can grow it.
package final class Metrics: Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    package static let maxSeries = 1_000
    /// Seconds; from half a millisecond, where a cached answer lies, to the ten seconds at which callers give up.
    package static let durationBuckets: [Double] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private enum Family: Sendable {
        case counter(MetricFamily<Counter>)
        case gauge(MetricFamily<Gauge>)
        case histogram(MetricFamily<Histogram>)
        /// Read when rendered.
        case reading(help: String, type: String, read: @Sendable () -> Double?)
        case readings(help: String, type: String, labels: [String], read: @Sendable () -> [([String], Double)])
    }
    private let families = Mutex<[String: Family]>([:])

    package init() {}

    /// A number that only grows. The same name gives the same family.
    package func counter(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Counter> {
        families.withLock { families in
            if case .counter(let family) = families[name], family.labels == labels { return family }
            let family = MetricFamily<Counter>(help: help, labels: checked(name, labels, isTaken: families[name] != nil)) { Counter() }
            families[name] = .counter(family)
            return family
        }
    }
    /// A number that goes up and down.
    package func gauge(_ name: String, _ help: String, labels: [String] = []) -> MetricFamily<Gauge> {
        families.withLock { families in
            if case .gauge(let family) = families[name], family.labels == labels { return family }
            let family = MetricFamily<Gauge>(help: help, labels: checked(name, labels, isTaken: families[name] != nil)) { Gauge() }
            families[name] = .gauge(family)
            return family
        }
    }
    /// How often values fell under each of `buckets` (ascending upper bounds).
    package func histogram(
        _ name: String, _ help: String, labels: [String] = [], buckets: [Double] = Metrics.durationBuckets
    ) -> MetricFamily<Histogram> {
        families.withLock { families in
            if case .histogram(let family) = families[name], family.labels == labels { return family }
            let names = checked(name, labels, isTaken: families[name] != nil)
            let family = MetricFamily<Histogram>(help: help, labels: names) { Histogram(buckets: buckets) }
            families[name] = .histogram(family)
            return family
        }
    }
    /// A gauge (or, by `type`, a counter) that is read when rendered; nil leaves it out.
    package func reading(_ name: String, _ help: String, type: String = "gauge", _ read: @escaping @Sendable () -> Double?) {
        families.withLock { $0[name] = .reading(help: help, type: type, read: read) }
    }

    /// A number for each value of one label, read when rendered; at most `maxSeries` of them.
    package func readings(
        _ name: String, _ help: String, type: String = "gauge", label: String, _ read: @escaping @Sendable () -> [(String, Double)]
    ) {
        readings(name, help, type: type, labels: [label]) { read().map { ([$0.0], $0.1) } }
    }

    /// The same for each combination of several labels' values, in their order.
    package func readings(
        _ name: String, _ help: String, type: String = "gauge", labels: [String], _ read: @escaping @Sendable () -> [([String], Double)]
    ) {
        families.withLock { $0[name] = .readings(help: help, type: type, labels: labels, read: read) }
    }

    package func render() -> String {
        var text = ""
        for (name, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            switch family {
            case .counter(let family):
                head(&text, name, family.help, "counter")
                for (labels, counter) in family.series { sample(&text, name, family.labels, labels, String(counter.value)) }
            case .gauge(let family):
                head(&text, name, family.help, "gauge")
                for (labels, gauge) in family.series { sample(&text, name, family.labels, labels, number(gauge.value)) }
            case .histogram(let family):
                head(&text, name, family.help, "histogram")
                for (labels, histogram) in family.series { histogram.render(into: &text, name, family.labels, labels) }
            case .reading(let help, let type, let read):
                guard let value = read() else { continue }
                head(&text, name, help, type)
                sample(&text, name, [], [], number(value))
            case .readings(let help, let type, let labels, let read):
                let values = read()
                guard !values.isEmpty else { continue }
                head(&text, name, help, type)
                for (value, reading) in values.prefix(Metrics.maxSeries) { sample(&text, name, labels, value, number(reading)) }
            }
        }
        return text
    }

    private func checked(_ name: String, _ labels: [String], isTaken: Bool) -> [String] {
        precondition(!isTaken, "the metric \(name) already exists with another kind or other labels")  // a mistake of the code, at start
        precondition(
            ([name] + labels).allSatisfy { text in
                !text.isEmpty && text.utf8.first.map { !(48...57).contains($0) } == true
                    && text.utf8.allSatisfy { (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 95 }
            }, "\(name) or one of its labels is not a metric name")
        return labels
    }
}

/// The series of one metric by their label values.
package final class MetricFamily<Series: Sendable>: Sendable {
    let help: String
    package let labels: [String]
    private let make: @Sendable () -> Series
    private let bySeries = Mutex<[[String]: Series]>([:])

    init(help: String, labels: [String], make: @escaping @Sendable () -> Series) {
        self.help = help
        self.labels = labels
        self.make = make
    }

    /// The series of these label values, in the order of `labels`. Keep it where it is used often.
    package func with(_ values: String...) -> Series {
        // A mistake of the code.
        precondition(values.count == labels.count, "a metric with \(labels.count) labels was given \(values.count)")
        return bySeries.withLock { all in
            if let series = all[values] { return series }
            let key = all.count < Metrics.maxSeries ? values : values.map { _ in "other" }
            if let series = all[key] { return series }
            let series = make()
            all[key] = series
            return series
        }
    }
    var series: [([String], Series)] {
        bySeries.withLock { $0 }.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { ($0.key, $0.value) }
    }
}

package final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    package func increment(by step: Int = 1) { count.wrappingAdd(max(0, step), ordering: .relaxed) }
    package var value: Int { count.load(ordering: .relaxed) }
}

package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)
    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
    package func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    package func add(_ step: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let (done, seen) = bits.weakCompareExchange(
                expected: old, desired: (Double(bitPattern: old) + step).bitPattern, ordering: .relaxed)
            if done { return }
            old = seen
        }
    }
}

package final class Histogram: Sendable {
    private struct State: Sendable {
        var counts: [Int]
        var sum = 0.0
    }
    private let buckets: [Double]
    private let state: Mutex<State>

    init(buckets: [Double]) {
        self.buckets = buckets
        self.state = Mutex(State(counts: [Int](repeating: 0, count: buckets.count + 1)))
    }
    package func observe(_ value: Double) {
        let place = buckets.firstIndex { value <= $0 } ?? buckets.count
        state.withLock { state in
            state.counts[place] += 1
            state.sum += value
        }
    }
    package var count: Int { state.withLock { $0.counts.reduce(0, +) } }

    func render(into text: inout String, _ name: String, _ names: [String], _ values: [String]) {
        let (counts, sum) = state.withLock { ($0.counts, $0.sum) }
        var total = 0
        for (place, count) in counts.enumerated() {
            total += count
            let bound = place < buckets.count ? number(buckets[place]) : "+Inf"
            sample(&text, name + "_bucket", names + ["le"], values + [bound], String(total))
        }
        sample(&text, name + "_sum", names, values, number(sum))
        sample(&text, name + "_count", names, values, String(total))
    }
}

// MARK: - Text format

private func head(_ text: inout String, _ name: String, _ help: String, _ type: String) {
    text += "# HELP \(name) \(escaped(help, quotes: false))\n# TYPE \(name) \(type)\n"
}
private func sample(_ text: inout String, _ name: String, _ names: [String], _ values: [String], _ value: String) {
    text += name
    if !names.isEmpty {
        text += "{"
        for (place, label) in names.enumerated() {
            text += "\(place == 0 ? "" : ",")\(label)=\"\(escaped(values[place], quotes: true))\""
        }
        text += "}"
    }
    text += " \(value)\n"
}
private func escaped(_ text: String, quotes: Bool) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": out += "\\\\"
        case "\n": out += "\\n"
        case "\"" where quotes: out += "\\\""
        default: out.unicodeScalars.append(scalar)
        }
    }
    return out
}
private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
}

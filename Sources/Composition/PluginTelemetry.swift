import HTTPEdge
import PluginHost
import Telemetry

/// How the plugins' own processes fare, for who watches the server.
struct PluginTelemetry: Sendable {
    let host: PluginHost

    /// A plugin that is away costs its own calls, not the server's others: no reason to send requests elsewhere.
    var check: HealthCheck {
        HealthCheck("plugin_processes", isVital: false) { [host] in
            let away = host.children.filter { $0.state != .working || $0.breaker != .closed }
            return away.isEmpty ? nil : away.map(\.line).joined(separator: "; ")
        }
    }

    func add(to metrics: Metrics) {
        func each(_ name: String, _ help: String, type: String = "gauge", _ read: @escaping @Sendable (ChildReport) -> Double) {
            metrics.readings("coditect_plugin_process_\(name)", help, type: type, label: "plugin") { [host] in
                host.children.map { ($0.plugin, read($0)) }
            }
        }
        each("up", "1 while the plugin's own process takes calls.") { $0.state == .working ? 1 : 0 }
        each("deaths_total", "How often it died since the server started.", type: "counter") { Double($0.deaths) }
        each("restarts_total", "How often it was started again since the server started.", type: "counter") { Double($0.restarts) }
        each("breaker_open", "1 while it is left alone, 0.5 while one call is let in, else 0.") { child in
            switch child.breaker {
            case .closed: 0
            case .trial: 0.5
            case .open: 1
            }
        }
    }
}

#include <fmt/format.h>

#include "emit/container.hpp"
#include "emit/emitters.hpp"
#include "emit/yaml.hpp"

namespace canirun {

namespace {

/// Kubernetes replaces $(NAME) in commands and arguments; $$ stands for $.
std::vector<std::string> without_variables(std::vector<std::string> words)
{
  for (auto& word : words) {
    for (std::size_t at = 0; (at = word.find("$(", at)) != std::string::npos; at += 3) word.insert(at, "$");
  }
  return words;
}

std::string resources(const Container& c)
{
  std::string gpus;
  for (const auto& g : c.gpus) gpus += fmt::format("              {}: {}\n", g.resource, g.indices.size());
  return fmt::format(
      "          resources:\n            requests:\n              cpu: \"{}\"\n              memory: {}Gi\n{}"
      "            limits:\n              memory: {}Gi\n{}",
      c.cpus, c.memory_gib, gpus, c.memory_gib, gpus);
}

std::string volumes(const Container& c)
{
  auto mounts =
      fmt::format("          volumeMounts:\n            - name: models\n              mountPath: {}\n", c.volume_target);
  if (c.volume_read_only) mounts += "              readOnly: true\n";
  std::string sources =
      "      volumes:\n        - name: models\n          persistentVolumeClaim:\n            claimName: models\n";
  if (c.shared_memory_gib > 0) {
    mounts += "            - name: shm\n              mountPath: /dev/shm\n";
    sources += fmt::format("        - name: shm\n          emptyDir:\n            medium: Memory\n            sizeLimit: {}Gi\n",
                           c.shared_memory_gib);
  }
  return mounts + sources;
}

}  // namespace

Result<std::string> emit_kubernetes(const EmitRequest& request)
{
  const auto container = container_of(request);
  if (!container) return tl::unexpected(container.error());
  const auto& c = *container;
  const auto name = safe_name(request.model);
  auto out = describe_run(request);
  out += c.volume_source.empty() ? "# the volume claim \"models\" keeps the download; a gated repository also needs HF_TOKEN\n"
                                 : "# the volume claim \"models\" holds the file in its top folder\n";
  out += fmt::format(
      "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {0}\n  labels:\n    app.kubernetes.io/name: {0}\nspec:\n"
      "  replicas: 1\n  strategy:\n    type: Recreate\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {0}\n"
      "  template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {0}\n    spec:\n      containers:\n"
      "        - name: server\n          image: {1}\n",
      name, c.image);
  if (!c.entrypoint.empty()) out += fmt::format("          command: {}\n", yaml_list(c.entrypoint));
  out += fmt::format("          args: {}\n", yaml_list(without_variables(c.arguments)));
  out += fmt::format("          ports:\n            - name: http\n              containerPort: {}\n", c.port);
  // Loading takes minutes for large files; the server answers 503 until it is done.
  out += fmt::format(
      "          startupProbe:\n            httpGet:\n              path: {0}\n              port: http\n            "
      "periodSeconds: 10\n"
      "            failureThreshold: 180\n          readinessProbe:\n            httpGet:\n              path: {0}\n"
      "              port: http\n",
      c.health_path);
  out += resources(c) + volumes(c);
  out += fmt::format(
      "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {0}\n  labels:\n    app.kubernetes.io/name: {0}\nspec:\n  "
      "selector:\n"
      "    app.kubernetes.io/name: {0}\n  ports:\n    - name: http\n      port: {1}\n      targetPort: http\n",
      name, c.port);
  return out;
}

}  // namespace canirun
